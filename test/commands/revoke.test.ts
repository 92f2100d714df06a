import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

test.each([[[]], [["--by-key"]]])(
  "revoke %s revokes at the CA, keeps the files, and succeeds when it is repeated",
  async (words) => {
    await using issuing = await startIssuing();
    await issuing.issue(["-d", "a.example.test"]);
    const more = ["--reason", "superseded", "--yes", ...words];
    const first = await issuing.run(["revoke", "a.example.test", ...more]);
    expect(first.stderr).toBe("");
    expect(first.code).toBe(0);
    const asked = issuing.ca.requests.findLast(({ kind }) => kind === "revokeCert");
    expect(asked?.payload).toMatchObject({ reason: 4 });
    expect(Object.hasOwn(asked?.protected ?? {}, words.length > 0 ? "jwk" : "kid")).toBe(true);
    expect((await issuing.run(["revoke", "a.example.test", ...more])).code).toBe(0);
    expect(await readdir(join(issuing.state, "certificates"))).toEqual(["a.example.test"]);
  },
);

test("revoke and delete ask for confirmation, and fail without a terminal", async () => {
  await using issuing = await startIssuing();
  await issuing.issue(["-d", "a.example.test"]);
  for (const command of ["revoke", "delete"]) {
    const alone = await issuing.run([command, "a.example.test"]);
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain("--yes");
    const declined = await issuing.run([command, "a.example.test"], {
      terminal: true,
      stdin: "n\n",
    });
    expect(declined.code).toBe(2);
  }
  expect(await readdir(join(issuing.state, "certificates"))).toEqual(["a.example.test"]);
  expect(
    (await issuing.run(["delete", "a.example.test"], { terminal: true, stdin: "y\n" })).code,
  ).toBe(0);
  expect(await readdir(join(issuing.state, "certificates"))).toEqual([]);
  const unknown = await issuing.run(["delete", "a.example.test", "--yes"]);
  expect(unknown.code).toBe(2);
});

test("revoke refuses a certificate of the embedded CA at once, with a command that works", async () => {
  await using folder = await temporaryFolder();
  const env = { HOME: folder.path, ACMECTL_STATE: join(folder.path, "state") };
  const port = String(await freePort());
  const local = ["--server", "local", "--solver", "standalone", "--standalone-port", port];
  expect((await run(["issue", "-d", "shop.localhost", ...local], { env })).stderr).not.toContain(
    "Hint",
  );
  const { code, stderr } = await run(["revoke", "shop.localhost", "--yes"], { env });
  expect(code).toBe(2);
  expect(stderr).toContain("so shop.localhost cannot be revoked");
  expect(stderr).toContain("acmectl delete shop.localhost");
});
