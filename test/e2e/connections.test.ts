import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startNetwork } from "../bench/proxy.ts";
import { run } from "../support/run.ts";
import { available } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

describe.skipIf(!available("pebble"))("a CA with HTTP/2", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  let port: number;
  beforeAll(async () => {
    dns = await startChallengeDns();
    port = await freePort();
    pebble = await startPebble({ dnsServer: dns.dnsServer, httpPort: port });
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
  });

  test("sees one connection in each run: for an account and a certificate, for a later one, and for 100 names", async () => {
    await using folder = await temporaryFolder();
    const network = await startNetwork(pebble.directoryUrl, 0);
    const solver = ["--standalone", "--standalone-port", `${port}`];
    const issue = async (name: string) => {
      const words = ["issue", "-d", name, ...solver, "--self-check-at", `127.0.0.1:${port}`];
      const ca = ["--server", network.directoryUrl, "--ca-bundle", pebble.rootFile, "--agree-tos"];
      const ran = await run([...words, ...ca, "--state", folder.path], {
        env: { HOME: folder.path },
      });
      return { code: ran.code, connections: network.connections() };
    };
    expect(await issue("a.example.test")).toEqual({ code: 0, connections: 1 });
    expect(await issue("b.example.test")).toEqual({ code: 0, connections: 1 });
    const names = Array.from({ length: 100 }, (_, index) => `n${index}.example.test`);
    expect(await issue(names.join(","))).toEqual({ code: 0, connections: 1 });
    await network.close();
  });
});
