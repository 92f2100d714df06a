/** Certificates from Pebble, by acmectl, its peers and the lower bound. */
import { execFile } from "node:child_process";
import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { startDnsServer } from "../support/dns-server.ts";
import { freePort } from "../support/servers/process.ts";
import { startPebble } from "../support/servers/pebble.ts";
import { acmectl, bound, clients } from "./clients.ts";
import { costOf, measure, table, type Program } from "./measure.ts";
import { startNetwork } from "./proxy.ts";
import type { Job, Scenario } from "./scenarios.ts";

export async function issuance(scenario: Scenario, root: string, rounds: number): Promise<string> {
  const { roundTrip, names: count, certificates = 0, validation = 0, dns = false } = scenario;
  const folder = await mkdtemp(join(root, "issuance-"));
  const resolver = await startDnsServer({
    zones: [{ name: "test", records: [{ name: "*.example.test", type: "A", data: "127.0.0.1" }] }],
    recursive: true,
    ...(validation === 0
      ? {}
      : // Pebble asks for AAAA, then for A.
        { mischief: () => ({ kind: "delay", milliseconds: 500 * validation }) }),
  });
  const httpPort = await freePort();
  const always: Record<string, string> = dns ? { PEBBLE_VA_ALWAYS_VALID: "1" } : {};
  const pebble = await startPebble({
    // uacme cannot read the challenge dns-persist-01 of later versions.
    program: "pebble-2.9",
    dnsServer: resolver.server,
    httpPort,
    env: { ...always, PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" },
  });
  const network = await startNetwork(pebble.directoryUrl, roundTrip);
  const program = join(folder, "exec.sh");
  await writeFile(program, "#!/bin/sh\nexit 0\n");
  await chmod(program, 0o755);
  const job: Job = {
    directoryUrl: network.directoryUrl,
    rootFile: pebble.rootFile,
    httpPort,
    folder,
    anew: scenario.anew ?? false,
    // One name is enough for round 0, which makes accounts and fills caches.
    names: (round) =>
      Array.from({ length: round === 0 ? 1 : count }, (_, at) => `r${round}-${at}.example.test`),
    ...(dns ? { program } : {}),
  };
  const all = certificates > 0 ? applies(job, certificates) : clients(job);
  const requests: Record<string, string> = {};
  const counted = all.map((one) => ({
    ...one,
    prepare: (round: number) => one.prepare(round + 1),
    async beside() {
      const own = await one.beside?.();
      const before = pebble.log().length;
      network.connections();
      return {
        async [Symbol.asyncDispose]() {
          // Pebble's last lines may still be on their way.
          if (requests[one.name] === undefined) await sleep(100);
          requests[one.name] ??= endpoints(pebble.log().slice(before), network.connections());
          await own?.[Symbol.asyncDispose]();
        },
      };
    },
  }));
  try {
    for (const one of all) await costOf(one, 0);
    return table(await measure(counted, rounds), requests);
  } finally {
    await network.close();
    await pebble.close();
    await resolver.close();
  }
}

/** `9 on 1 connection: 1 directory, 1 newNonce, …` */
export function endpoints(log: string, connections: number): string {
  const counts = new Map<string, number>();
  for (const [, path = ""] of log.matchAll(
    /(?:GET|HEAD|POST) (\/[\w-]+\/?)\S* -> calling handler/g,
  )) {
    const name = resources[path] ?? path;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const parts = [...counts].map(([name, count]) => `${count} ${name}`);
  const unit = connections === 1 ? "connection" : "connections";
  return `${total} on ${connections} ${unit}: ${parts.join(", ")}`;
}

/** Pebble's paths, and what RFC 8555 calls what is there. */
const resources: Readonly<Record<string, string>> = {
  "/dir": "directory",
  "/nonce-plz": "newNonce",
  "/sign-me-up": "newAccount",
  "/order-plz": "newOrder",
  "/my-account/": "account",
  "/my-order/": "order",
  "/authZ/": "authorization",
  "/chalZ/": "challenge",
  "/finalize-order/": "finalize",
  "/certZ/": "certificate",
  "/draft-ietf-acme-ari-03/": "renewalInfo",
};

function applies(job: Job, count: number): readonly Program[] {
  const names = (round: number) =>
    Array.from({ length: round === 0 ? 1 : count }, (_, at) => `c${round}-${at}.example.test`);
  const env = { HOME: job.folder, XDG_CACHE_HOME: join(job.folder, "cache") };
  const ours: Program = {
    name: "acmectl",
    env,
    async prepare(round) {
      const config = join(job.folder, `config-${round}.yaml`);
      await writeFile(config, configOf(job, names(round)));
      const places = ["--config", config, "--state", join(job.folder, `apply-${round}`)];
      // The lower bound has an account, too.
      const ca = ["--server", job.directoryUrl, "--ca-bundle", job.rootFile, "--agree-tos"];
      const account = ["register", "-n", ...ca, "--email", "bench@example.test", ...places];
      const [file = "", ...words] = [...acmectl, "account", ...account];
      await promisify(execFile)(file, words, { env });
      return [...acmectl, "apply", "-n", ...places];
    },
  };
  return [bound({ ...job, certificates: (round) => names(round).map((name) => [name]) }), ours];
}

function configOf(job: Job, names: readonly string[]): string {
  return JSON.stringify({
    issuers: {
      pebble: {
        server: job.directoryUrl,
        caBundle: job.rootFile,
        agreeTos: true,
        email: "bench@example.test",
      },
    },
    solvers: { web: { use: "standalone", port: job.httpPort } },
    certificates: Object.fromEntries(
      names.map((name) => [
        name,
        { domains: [name], issuer: "pebble", selfCheckAt: `127.0.0.1:${job.httpPort}` },
      ]),
    ),
  });
}
