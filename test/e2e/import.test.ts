import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fingerprint } from "../import/folders.ts";
import { run } from "../support/run.ts";
import { available, find, program } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

/** No package carries acme.sh: its test runs where somebody has put it on the PATH. */
function hasAcmeSh(): boolean {
  if (find("acme.sh") !== undefined) return true;
  process.stderr.write("skipped: tests with acme.sh (it is not on the PATH)\n");
  return false;
}

/** Run another client to its end; its output is in the failure. Nothing of this machine's configuration is read. */
async function client(name: string, args: readonly string[], env: Record<string, string>) {
  const { file, env: needed } = program(name);
  const options = { env: { PATH: process.env["PATH"] ?? "", ...needed, ...env }, timeout: 100_000 };
  await promisify(execFile)(file, [...args], options);
}

describe.skipIf(!available("pebble"))("folders written by other clients against Pebble", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  let httpPort: number;
  beforeAll(async () => {
    dns = await startChallengeDns();
    httpPort = await freePort();
    pebble = await startPebble({
      dnsServer: dns.dnsServer,
      httpPort,
      env: { PEBBLE_AUTHZREUSE: "0" },
    });
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
  });

  /** Take over, see that nothing there was touched, and renew with the account that is there. */
  async function takeOverAndRenew(
    words: readonly string[],
    { home, folder, name }: { home: string; folder: string; name: string },
  ) {
    const env = { HOME: home, ACMECTL_STATE: join(home, "state") };
    const before = await fingerprint(folder);
    const bundle = ["--ca-bundle", pebble.rootFile];
    const requests = pebble.log().length;
    const taken = await run(["import", ...words, ...bundle, "--json"], { env });
    expect([taken.code, taken.stderr]).toEqual([0, ""]);
    expect(pebble.log().length).toBe(requests);
    const document = JSON.parse(taken.stdout) as { certificates: { serial: string }[] };
    expect(document).toMatchObject({
      outcome: "imported",
      accounts: [{ outcome: "taken", url: expect.stringContaining("https://") }],
      certificates: [{ name, outcome: "taken" }],
      left: [],
    });
    expect(await fingerprint(folder)).toEqual(before);

    const renewed = await run(["renew", "--force", "--no-jitter", "--json"], { env });
    expect([renewed.code, renewed.stderr]).toEqual([0, expect.not.stringContaining("Hint")]);
    const asked = pebble.log().slice(requests);
    expect(asked).toContain("/order-plz");
    expect(asked).not.toContain("/sign-me-up");
    const after = JSON.parse(renewed.stdout) as { certificates: { serial: string }[] };
    expect(after.certificates).toMatchObject([{ name, outcome: "renewed" }]);
    expect(after.certificates[0]?.serial).not.toBe(document.certificates[0]?.serial);
    expect(await fingerprint(folder)).toEqual(before);
    return env;
  }

  describe.skipIf(!available("certbot"))("certbot", () => {
    test("account, certificate and hooks of a standalone setup are imported and renew", async () => {
      await using home = await temporaryFolder();
      const folder = join(home.path, "letsencrypt");
      const name = "certbot.example.test";
      const deployed = join(home.path, "deployed");
      await client(
        "certbot",
        [
          ["certonly", "-n", "--agree-tos", "-m", "ops@example.test", "--standalone"],
          ["--http-01-port", String(httpPort), "-d", `${name},www.${name}`],
          [
            "--server",
            pebble.directoryUrl,
            "--deploy-hook",
            `echo "$RENEWED_LINEAGE" >> ${deployed}`,
          ],
          ["--config-dir", folder, "--work-dir", `${home.path}/work`],
          ["--logs-dir", `${home.path}/logs`],
        ].flat(),
        { HOME: home.path, REQUESTS_CA_BUNDLE: pebble.rootFile },
      );
      const before = await readFile(deployed, "utf8").catch(() => "");
      const env = await takeOverAndRenew(["certbot", folder], { home: home.path, folder, name });
      const after = (await readFile(deployed, "utf8")).slice(before.length).trim();
      expect(after).toBe(join(env.ACMECTL_STATE, "links", "live", name));
    });
  });

  describe.skipIf(!available("lego"))("lego", () => {
    test("account and certificate are imported and renew with the solver given", async () => {
      await using home = await temporaryFolder();
      const folder = join(home.path, ".lego");
      const name = "lego.example.test";
      await client(
        "lego",
        [
          ["--path", folder, "--server", pebble.directoryUrl, "--email", "ops@example.test"],
          ["--accept-tos", "--http", "--http.port", `127.0.0.1:${httpPort}`],
          ["--domains", name, "--domains", `www.${name}`, "run"],
        ].flat(),
        { HOME: home.path, LEGO_CA_CERTIFICATES: pebble.rootFile },
      );
      await takeOverAndRenew(
        [
          ["lego", folder, "--server", pebble.directoryUrl],
          ["--standalone", "--standalone-port", String(httpPort)],
        ].flat(),
        { home: home.path, folder, name },
      );
    });
  });

  describe.skipIf(!hasAcmeSh())("acme.sh", () => {
    let web: Server;
    let root: AsyncDisposable & { path: string };
    beforeAll(async () => {
      root = await temporaryFolder();
      web = createServer((request, response) => {
        readFile(join(root.path, new URL(request.url ?? "/", "http://x").pathname)).then(
          (body) => response.end(body),
          () => response.writeHead(404).end(),
        );
      });
      await new Promise<void>((resolve) => web.listen(httpPort, "127.0.0.1", resolve));
    });
    afterAll(async () => {
      await new Promise((resolve) => web.close(resolve));
      await root[Symbol.asyncDispose]();
    });

    test("account and certificate of a webroot setup are imported and renew", async () => {
      await using home = await temporaryFolder();
      const folder = join(home.path, ".acme.sh");
      const name = "acmesh.example.test";
      await client(
        "acme.sh",
        [
          ["--home", folder, "--issue", "-d", name, "-d", `www.${name}`, "-w", root.path],
          ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile],
          ["-m", "ops@example.test", "--reloadcmd", "true"],
        ].flat(),
        { HOME: home.path },
      );
      await takeOverAndRenew(["acme.sh", folder], { home: home.path, folder, name });
    });
  });
});
