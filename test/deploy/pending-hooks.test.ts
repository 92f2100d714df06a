import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { acmectl } from "../support/spawn.ts";

test("post hooks of a run killed after its pre hooks run once in the next run", async () => {
  await using issuing = await startIssuing();
  const log = join(dirname(issuing.state), "log");
  const env = { HOME: issuing.state, PATH: process.env["PATH"] ?? "" };
  const solver = ["--solver", "standalone", "--standalone-port", String(issuing.httpPort)];
  const hooks = {
    "--pre-hook": `echo STOP >> ${log}`,
    "--deploy-hook": `test -e ${log}.killed || { touch ${log}.killed; kill -9 $PPID; }`,
    "--post-hook": `echo START >> ${log}`,
  };
  const place = [
    "--self-check-at",
    `127.0.0.1:${issuing.httpPort}`,
    ...Object.entries(hooks).flat(),
  ];
  const first = acmectl(
    ["issue", "-d", "shop.example.test", ...solver, ...issuing.words, ...place],
    { env },
  );
  expect((await first.ended).signal).toBe("SIGKILL");
  expect(await readFile(log, "utf8")).toBe("STOP\n");
  const renew = async () => acmectl(["renew", "--state", issuing.state], { env }).ended;
  const next = await renew();
  expect(next).toMatchObject({ code: 0 });
  expect(next.stderr).toContain("running the post hooks of an earlier run that was killed");
  expect(await readFile(log, "utf8")).toBe("STOP\nSTART\n");
  expect((await renew()).stderr).toBe("");
  expect(await readFile(log, "utf8")).toBe("STOP\nSTART\n");
});
