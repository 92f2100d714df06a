import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCa } from "../../src/acme/ca.ts";
import { signerOf } from "../../src/acme/signer.ts";
import { systemClock } from "../../src/clock.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import type { Store } from "../../src/state/store.ts";
import { silentLog } from "../../src/testing.ts";
import { run } from "../support/run.ts";
import { available } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

const name = "renew.example.test";

describe.skipIf(!available("pebble"))(
  "renew against Pebble, whose ARI is set into the past",
  () => {
    let dns: ChallengeDns;
    let pebble: Pebble;
    let port: number;
    beforeAll(async () => {
      dns = await startChallengeDns();
      port = await freePort();
      pebble = await startPebble({
        dnsServer: dns.dnsServer,
        httpPort: port,
        profiles: { classic: { description: "The usual", validityPeriod: 7_776_000 } },
      });
    });
    afterAll(async () => {
      await pebble?.close();
      await dns?.close();
    });

    /** Tells Pebble that the certificate held should have been renewed yesterday. */
    const wantRenewal = async (certificate: string) => {
      const day = 86_400_000;
      const window = {
        start: new Date(Date.now() - 2 * day).toISOString(),
        end: new Date(Date.now() - day).toISOString(),
      };
      const { status } = await pebble.manage("/set-renewal-info/", {
        method: "POST",
        body: JSON.stringify({
          certificate,
          ariResponse: JSON.stringify({ suggestedWindow: window }),
        }),
      });
      expect(status).toBe(200);
    };

    test("renews with `replaces` twice in a row, and then finds nothing due", async () => {
      await using folder = await temporaryFolder();
      const env = { HOME: folder.path };
      const where = ["--state", folder.path];
      const issued = await run(
        [
          ...["issue", "-d", name, "--agree-tos", "--profile", "classic"],
          ...["--solver", "standalone", "--standalone-port", String(port)],
          ...["--self-check-at", `127.0.0.1:${port}`],
          ...["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile, ...where],
        ],
        { env },
      );
      expect(issued.code).toBe(0);
      const file = join(folder.path, "certificates", name, "current", "cert.pem");
      const seen = new Set<string>();
      const hour = 3_600_000;
      // A second early renewal in a row has to wait, so that a CA whose window always lies in the past gets no loop of orders.
      for (const later of [8 * hour, 5 * 24 * hour]) {
        const before = await readFile(file, "utf8");
        seen.add(before);
        await wantRenewal(before);
        const predecessor = (await certificateIn(folder.path))?.held?.meta.ariId;
        // What was asked right after issuance is not asked again before Retry-After has passed.
        await age(folder.path, later);
        const { code, stdout, stderr } = await run(["renew", "--json", "--no-jitter", ...where], {
          env,
        });
        expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
        expect(JSON.parse(stdout)).toMatchObject({ certificates: [{ name, outcome: "renewed" }] });
        expect(await orderOf(folder.path, pebble)).toMatchObject({
          status: "valid",
          replaces: predecessor,
        });
      }
      seen.add(await readFile(file, "utf8"));
      expect(seen.size).toBe(3);
      const idle = await run(["renew", "--json", "--no-jitter", ...where], { env });
      expect(JSON.parse(idle.stdout)).toMatchObject({ certificates: [{ outcome: "not-due" }] });
    });
  },
);

function storeIn(folder: string): Store {
  return openFolderStore(folder, { log: silentLog, clock: systemClock });
}

function certificateIn(folder: string) {
  return storeIn(folder).certificates.read(name);
}

/** The order of the last attempt, as the CA has it. */
async function orderOf(folder: string, pebble: Pebble) {
  const [account] = await storeIn(folder).accounts.list();
  const url = (await certificateIn(folder))?.status.lastAttempt?.orderUrl;
  if (account === undefined || url === undefined) throw new Error("nothing was ordered");
  const server = { url: pebble.directoryUrl, caBundle: pebble.rootPem };
  const environment = { env: {}, log: silentLog, clock: systemClock };
  const texts = { userAgent: "test", flags: "", redact: (text: string) => text };
  const ca = openCa({ ...server, ...environment, ...texts });
  try {
    return await ca
      .session(signerOf(account.key), account.url)
      .order(url, new AbortController().signal);
  } finally {
    await ca.close();
  }
}

/** As if the certificate had been issued, and its CA asked, so much earlier. A clock that is ahead would be noticed. */
async function age(folder: string, milliseconds: number): Promise<void> {
  const own = join(folder, "certificates", name);
  for (const file of [join(own, "certificate.json"), join(own, "current", "meta.json")]) {
    const times = /"(issuedAt|lastSuccess|previousSuccess|nextCheck)":( ?)"([^"]+)"/g;
    const earlier = (_: string, key: string, space: string, time: string) =>
      `"${key}":${space}"${new Date(Date.parse(time) - milliseconds).toISOString()}"`;
    await writeFile(file, (await readFile(file, "utf8")).replaceAll(times, earlier));
  }
}
