import type { PathLike } from "node:fs";
import * as fileSystem from "node:fs/promises";
import { expect, test, vi } from "vitest";
import { openWorld } from "./world.ts";

/** As systemd makes the rest of the machine for a scheduled run. */
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof fileSystem>();
  return {
    ...real,
    open: (path: PathLike, ...more: readonly never[]) => {
      const refused = Object.assign(new Error("read-only file system"), { code: "EROFS" });
      return String(path).includes("/deployed/")
        ? Promise.reject(refused)
        : real.open(path, ...more);
    },
  };
});

test("a copy to a read-only path names --writable", async () => {
  const world = await openWorld();
  await world.want([{ copy: { cert: world.at("cert.pem") } }]);
  const problem = await world.deploy();
  expect(problem?.message).toContain(`Cannot write ${world.at("cert.pem")}`);
  expect(problem?.hint).toContain(`acmectl schedule install --writable ${world.folder};`);
});
