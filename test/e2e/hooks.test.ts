import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { filesBelow, hooksOf, runnerOf, type HookClient } from "../deploy/foreign-hooks.ts";
import { run } from "../support/run.ts";
import { available, program } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

const name = "hooks.example.test";

async function client(
  part: "certbot" | "lego",
  args: readonly string[],
  env: Record<string, string>,
) {
  const { file, env: needed } = program(part);
  const options = { env: { PATH: process.env["PATH"] ?? "", ...needed, ...env }, timeout: 100_000 };
  await promisify(execFile)(file, [...args], options);
}

describe.skipIf(!available("pebble"))("hooks under their own client and under acmectl", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  let httpPort: number;
  beforeAll(async () => {
    dns = await startChallengeDns();
    httpPort = await freePort();
    pebble = await startPebble({ dnsServer: dns.dnsServer, httpPort });
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
  });

  /** Import the other client's certificate, and run the same hooks for it. */
  async function runByAcmectl(kind: HookClient, words: readonly string[], home: string) {
    const env = { HOME: home, ACMECTL_STATE: join(home, "state") };
    const bundle = ["--ca-bundle", pebble.rootFile, "--server", pebble.directoryUrl];
    const taken = await run(["import", kind, ...words, ...bundle], { env });
    expect(taken.code, taken.stderr).toBe(0);
    const out = join(home, "acmectl");
    const command = { run: await runnerOf(kind, out), shell: true };
    const file = join(env.ACMECTL_STATE, "certificates", name, "certificate.json");
    const record = JSON.parse(await readFile(file, "utf8")) as { request: { hooks: object } };
    record.request.hooks = { deploy: [command] };
    await writeFile(file, JSON.stringify(record));
    const deployed = await run(["deploy", name, "--all"], { env });
    expect(deployed.code, deployed.stderr).toBe(0);
    return filesBelow(out);
  }

  test.skipIf(!available("certbot"))("certbot's write the same files", async () => {
    await using home = await temporaryFolder();
    const [folder, out] = [join(home.path, "letsencrypt"), join(home.path, "certbot")];
    await client(
      "certbot",
      [
        ["certonly", "-n", "--agree-tos", "-m", "ops@example.test", "--standalone"],
        ["--http-01-port", String(httpPort), "-d", `${name},www.${name}`],
        [
          "--server",
          pebble.directoryUrl,
          "--deploy-hook",
          await script(join(home.path, "hook"), await runnerOf("certbot", out)),
        ],
        ["--config-dir", folder, "--work-dir", `${home.path}/work`],
        ["--logs-dir", `${home.path}/logs`],
      ].flat(),
      { HOME: home.path, REQUESTS_CA_BUNDLE: pebble.rootFile },
    );
    const theirs = await filesBelow(out);
    const written = new Set(Object.keys(theirs).map((path) => path.split("/")[0]));
    expect(written).toEqual(new Set(await hooksOf("certbot")));
    expect(await runByAcmectl("certbot", [folder], home.path)).toEqual(theirs);
  });

  test.skipIf(!available("lego"))("lego's write the same files", async () => {
    await using home = await temporaryFolder();
    const [folder, out] = [join(home.path, ".lego"), join(home.path, "lego")];
    await client(
      "lego",
      [
        ["--path", folder, "--server", pebble.directoryUrl, "--email", "ops@example.test"],
        ["--accept-tos", "--http", "--http.port", `127.0.0.1:${httpPort}`],
        ["--domains", name, "--domains", `www.${name}`, "run"],
        ["--run-hook", await script(join(home.path, "hook"), await runnerOf("lego", out))],
      ].flat(),
      { HOME: home.path, LEGO_CA_CERTIFICATES: pebble.rootFile },
    );
    const theirs = await filesBelow(out);
    const written = new Set(Object.keys(theirs).map((path) => path.split("/")[0]));
    expect(written).toEqual(new Set(await hooksOf("lego")));
    const solver = ["--standalone", "--standalone-port", String(httpPort)];
    expect(await runByAcmectl("lego", [folder, ...solver], home.path)).toEqual(theirs);
  });
});

/** certbot looks for the first word of a hook in PATH, and lego runs it without a shell. */
async function script(path: string, line: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  return path;
}
