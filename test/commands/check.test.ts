import { expect, test } from "vitest";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

test.each([["--solver", "cloudflare"], ["--csr=a.csr"], ["-d", "a.test", "--key-type", "ec384"]])(
  "check refuses the name of a certificate beside %s",
  async (...typed) => {
    await using folder = await temporaryFolder();
    const { code, stderr } = await run(["check", "shop", ...typed], { env: { HOME: folder.path } });
    expect(code).toBe(2);
    expect(stderr).toContain("and the names of certificates were given");
  },
);

test("check --quiet shows what it found, and not what is well", async () => {
  await using folder = await temporaryFolder();
  const typed = ["check", "-d", "*.a.test", "--server", "local", "--standalone", "--quiet"];
  const { code, stdout } = await run(typed, { env: { HOME: folder.path } });
  expect(code).toBe(11);
  expect(stdout.split("\n")).toEqual([
    "solver: error",
    expect.stringContaining("No solver can answer for *.a.test"),
    expect.stringContaining("A wildcard needs a dns-01 solver"),
    "",
  ]);
});
