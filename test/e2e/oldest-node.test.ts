import { execFile } from "node:child_process";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { available, find } from "../support/servers/catalog.ts";
import { temporaryFolder } from "../support/state.ts";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../../", import.meta.url));

describe.skipIf(!available("oldest-node"))(
  "the built acmectl on the oldest Node.js that it promises",
  () => {
    let installed: AsyncDisposable & { path: string };
    beforeAll(async () => {
      installed = await temporaryFolder();
      for (const part of ["bin", "dist", "package.json"]) {
        await cp(join(repository, part), join(installed.path, part), { recursive: true });
      }
    });
    afterAll(() => installed[Symbol.asyncDispose]());

    const acmectl = (...words: readonly string[]) =>
      run(find("bin/node") ?? "", [join(installed.path, "bin", "acmectl.js"), ...words], {
        env: { HOME: installed.path },
      });

    test("prints its version, and loads every command and every solver", async () => {
      expect((await acmectl("--version")).stdout).toContain("v22.12.0");
      expect((await acmectl("--help")).stdout).toContain("issue");
      expect((await acmectl("solvers", "list")).stdout).toContain("route53");
    });

    test("issues a certificate and renews it", async () => {
      const state = ["--state", join(installed.path, "state")];
      expect(
        (await acmectl("issue", "-d", "a.example.test", "--server", "local", ...state)).stdout,
      ).toContain("Issued");
      expect((await acmectl("renew", "--force", "--no-jitter", ...state)).stdout).toContain(
        "Renewed",
      );
    });
  },
);
