/** One list of cases against every ACME server that can be started here. What a server cannot do is skipped with the reason. */
import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { run, type RunOptions } from "../support/run.ts";
import {
  caKinds,
  cases,
  closedPort,
  macKey,
  refusedName,
  type CaseName,
  type CaServer,
} from "../support/servers/cas.ts";
import { available } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { challtestSolver } from "../support/challtest-solver.ts";
import { ageCertificate } from "../support/scheduled.ts";
import { temporaryFolder } from "../support/state.ts";

describe.skipIf(!available("pebble"))("acmectl with every CA:", () => {
  let dns: ChallengeDns;
  beforeAll(async () => {
    dns = await startChallengeDns();
  });
  afterAll(() => dns?.close());

  for (const { name, part, cannot, start } of caKinds) {
    describe.skipIf(part !== undefined && !available(part))(name, () => {
      let server: CaServer;
      let folder: Awaited<ReturnType<typeof temporaryFolder>>;
      let solver: string;
      /** Each case begins without an account and a certificate. */
      let state: string;
      beforeEach(({ task }) => {
        state = join(folder.path, task.id);
      });
      beforeAll(async () => {
        folder = await temporaryFolder();
        server = await start(dns.dnsServer);
        solver = await challtestSolver(folder.path, dns);
      });
      afterAll(async () => {
        await server?.close();
        await folder?.[Symbol.asyncDispose]();
      });

      const acmectl = async (words: readonly string[], options: RunOptions = {}) => {
        const env = { HOME: folder.path, EAB: macKey };
        const ran = await run([...words, "--state", state, "--json"], { env, ...options });
        const document: unknown = JSON.parse(ran.stdout || "{}");
        return { ...ran, document };
      };
      const ca = () => ["--server", server.directoryUrl, "--ca-bundle", server.rootFile];
      const account = () => {
        const bound = cannot["requires an external account binding"] === undefined;
        const binding = bound ? ["--eab-kid", "kid1", "--eab-hmac", "env:EAB"] : [];
        return [...ca(), "--agree-tos", "-m", "ops@example.test", ...binding];
      };
      const by = {
        "http-01": () => [
          ...["--standalone", "--standalone-address", server.address],
          ...["--standalone-port", String(server.httpPort)],
          ...["--self-check-at", `${server.address}:${server.httpPort}`],
        ],
        "dns-01": () => [
          // What is told to that DNS is there at once.
          ...["--solver", solver, "--dns-cname", "none", "--dns-wait", "0s"],
        ],
        "tls-alpn-01": () => [
          ...["--tls-alpn", "--tls-alpn-address", server.address],
          ...["--tls-alpn-port", String(server.tlsPort)],
          ...["--self-check-at", `${server.address}:${server.tlsPort}`],
        ],
      };
      const leafOf = async (certificate: string) => {
        const folderName = certificate.replace("*.", "_.");
        const file = join(state, "certificates", folderName, "current/cert.pem");
        return new X509Certificate(await readFile(file));
      };
      const issue = async (name: string, type: keyof typeof by, more: readonly string[] = []) => {
        const ran = await acmectl(["issue", "-d", name, ...by[type](), ...account(), ...more]);
        expect(ran, `${ran.stderr}\n${server.log().slice(-600)}`).toMatchObject({ code: 0 });
        return leafOf(name);
      };
      const register = async () => {
        const made = await acmectl(["account", "register", ...account()]);
        expect(made, made.stderr).toMatchObject({ code: 0 });
      };
      const publishPersist = async (name: string, more: readonly string[] = []) => {
        const shown = await acmectl(["account", "persist", ...ca(), "-d", name, ...more]);
        expect(shown, shown.stderr).toMatchObject({ code: 0 });
        const { records } = shown.document as { records: { name: string; value: string }[] };
        for (const { name: host, value } of records)
          await dns.tell("set-txt", { host: `${host}.`, value });
      };
      const issuePersist = async (name: string) => {
        await register();
        await publishPersist(name);
        const words = ["--challenge", "dns-persist-01", "--dns-cname", "none"];
        const asked = ["--dns-resolvers", dns.dnsServer, "--no-dns-authoritative"];
        const ran = await acmectl(["issue", "-d", name, ...words, ...asked, ...account()]);
        expect(ran, ran.stderr).toMatchObject({ code: 0 });
        return leafOf(name);
      };
      /** Some CAs connect to ports 80 and 443 alone. */
      const needsPorts = (each: CaseName) => /http-01|tls-alpn-01/.test(each);

      const perform: Record<CaseName, () => Promise<void>> = {
        "registers an account and shows it": async () => {
          await register();
          const again = await acmectl(["account", "show", ...ca()]);
          expect(again, again.stderr).toMatchObject({ code: 0 });
        },
        "requires an external account binding": async () => {
          const unbound = await acmectl(["account", "register", ...ca(), "--agree-tos"]);
          expect(unbound.code).toBe(2);
          expect(unbound.stderr).toContain("--eab-kid");
        },
        "issues by http-01": async () => {
          const leaf = await issue("h.example.test", "http-01");
          expect(leaf.subjectAltName).toBe("DNS:h.example.test");
        },
        "issues by dns-01": async () => {
          const leaf = await issue("d.example.test", "dns-01");
          expect(leaf.subjectAltName).toBe("DNS:d.example.test");
        },
        "issues by tls-alpn-01": async () => {
          const leaf = await issue("t.example.test", "tls-alpn-01");
          expect(leaf.subjectAltName).toBe("DNS:t.example.test");
        },
        "issues by dns-account-01": async () => {
          await register();
          const leaf = await issue("l.example.test", "dns-01", ["--challenge", "dns-account-01"]);
          expect(leaf.subjectAltName).toBe("DNS:l.example.test");
        },
        "issues and renews by dns-persist-01 without DNS credentials": async () => {
          const name = "*.p.example.test";
          const first = await issuePersist(name);
          const again = await acmectl(["renew", name, "--force"]);
          expect(again, again.stderr).toMatchObject({ code: 0 });
          expect((await leafOf(name)).serialNumber).not.toBe(first.serialNumber);
        },
        "issues a wildcard": async () => {
          const leaf = await issue("*.w.example.test", "dns-01", ["-d", "w.example.test"]);
          const found = leaf.subjectAltName?.split(", ").toSorted();
          expect(found).toEqual(["DNS:*.w.example.test", "DNS:w.example.test"]);
        },
        "issues for an address by http-01": async () => {
          const leaf = await issue(server.address, "http-01");
          expect(leaf.subjectAltName).toBe(`IP Address:${server.address}`);
        },
        "issues for an address by tls-alpn-01": async () => {
          const leaf = await issue(server.address, "tls-alpn-01");
          expect(leaf.subjectAltName).toBe(`IP Address:${server.address}`);
        },
        "renews at the CA's renewal information": async () => {
          const name = "a.example.test";
          const before = await issue(name, "dns-01");
          // The first pass asks for it; nothing is due yet.
          await acmectl(["renew", name, "--no-jitter"]);
          await livedThroughWindow(join(state, "certificates", name));
          const renewed = await acmectl(["renew", name, "--no-jitter"]);
          expect(renewed, renewed.stderr).toMatchObject({ code: 0 });
          expect((await leafOf(name)).serialNumber).not.toBe(before.serialNumber);
        },
        "renews when forced": async () => {
          const name = "f.example.test";
          const before = await issue(name, "dns-01");
          const renewed = await acmectl(["renew", name, "--force", "--no-jitter"]);
          expect(renewed, renewed.stderr).toMatchObject({ code: 0 });
          expect((await leafOf(name)).serialNumber).not.toBe(before.serialNumber);
        },
        "revokes a certificate": async () => {
          const name = "v.example.test";
          await issue(name, "dns-01");
          const revoked = await acmectl(["revoke", name, "--yes"]);
          expect(revoked, revoked.stderr).toMatchObject({ code: 0 });
        },
        "replaces the account key": async () => {
          await register();
          let words = ["account", "rollover", ...ca()];
          // Records of draft 02 contain the key: those for the new one have to be in the DNS first.
          if (name === "the embedded CA") {
            await issuePersist("*.r.example.test");
            expect((await acmectl(words)).stderr).toContain("contain the key of the account");
            const newKey = ["--new-key", join(folder.path, "new.pem")];
            words = [...words, ...newKey];
            expect((await acmectl(words)).code).toBe(7);
            await publishPersist("*.r.example.test", newKey);
          }
          const changed = await acmectl(words);
          expect(changed, changed.stderr).toMatchObject({ code: 0 });
          await issue("rolled.example.test", "dns-01");
        },
        "reports a name that the CA refuses": async () => {
          const words = ["issue", "-d", `ok.example.test,${refusedName}`, ...by["dns-01"]()];
          const refused = await acmectl([...words, ...account()]);
          expect(refused.code, refused.stderr).toBe(5);
          expect(refused.stderr + refused.stdout).toContain(refusedName);
        },
      };

      for (const each of cases) {
        test(each, async ({ skip }) => {
          const port = needsPorts(each) ? await closedPort(server) : undefined;
          const why = cannot[each] ?? port;
          if (why !== undefined) {
            process.stderr.write(`skipped: ${name}: ${each}: ${why}\n`);
            skip(why);
          }
          await perform[each]();
        });
      }
    });
  }
});

/**
 * The certificate is a month older and the CA's window in the past, as if the machine had been off. A clock that is ahead would
 * not do: what is due is decided by the CA's time.
 */
async function livedThroughWindow(folder: string): Promise<void> {
  const record = join(folder, "certificate.json");
  const stored = JSON.parse(await readFile(record, "utf8"));
  const { window } = stored.status.ari;
  const by = Date.parse(window.selected) - Date.now() + 60_000;
  for (const each of ["start", "end", "selected"])
    window[each] = new Date(Date.parse(window[each]) - by).toISOString();
  await writeFile(record, JSON.stringify(stored));
  await ageCertificate(folder, 30 * 86_400_000);
}
