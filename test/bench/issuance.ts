/** Certificates from Pebble, by acmectl, its peers and the lower bound. */
import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startDnsServer } from "../support/dns-server.ts";
import { freePort } from "../support/servers/process.ts";
import { startPebble } from "../support/servers/pebble.ts";
import { acmectl, bound, clients, type Job } from "./clients.ts";
import { measure, table, type Program } from "./measure.ts";
import { startNetwork } from "./proxy.ts";

export interface Scenario {
  readonly title: string;
  /** Of the round trip, in milliseconds. */
  readonly roundTrip: number;
  readonly names: number;
  /** Certificates of one name each in one `apply`; 0 for one certificate by `issue`. */
  readonly certificates?: number;
  /** Seconds that the CA takes to validate. */
  readonly validation?: number;
  readonly dns?: boolean;
  /** With a new account each time. */
  readonly anew?: boolean;
}

export const scenarios: readonly Scenario[] = [
  { title: "first certificate, http-01, no delay", roundTrip: 0, names: 1, anew: true },
  { title: "next certificate, 50 ms", roundTrip: 50, names: 1 },
  { title: "next, 50 ms, validated after 2 s", roundTrip: 50, names: 1, validation: 2 },
  { title: "100 names, http-01, 50 ms", roundTrip: 50, names: 100 },
  { title: "20 names, dns-01 by exec, 50 ms", roundTrip: 50, names: 20, dns: true },
  { title: "50 certificates in one apply, 50 ms", roundTrip: 50, names: 1, certificates: 50 },
];

export async function issuance(scenario: Scenario, root: string, rounds: number): Promise<string> {
  const { roundTrip, names: count, certificates = 0, validation = 0, dns = false } = scenario;
  const folder = await mkdtemp(join(root, "issuance-"));
  const resolver = await startDnsServer({
    zones: [{ name: "test", records: [{ name: "*.example.test", type: "A", data: "127.0.0.1" }] }],
    recursive: true,
    ...(validation === 0
      ? {}
      : { mischief: () => ({ kind: "delay", milliseconds: 1000 * validation }) }),
  });
  const httpPort = await freePort();
  const always: Record<string, string> = dns ? { PEBBLE_VA_ALWAYS_VALID: "1" } : {};
  const pebble = await startPebble({
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
    names: (round) =>
      Array.from({ length: count }, (_, index) => `r${round}-${index}.example.test`),
    ...(dns ? { program } : {}),
  };
  const all = certificates > 0 ? applies(job, certificates) : clients(job);
  const requests: Record<string, string> = {};
  try {
    const counted = all.map((one) => ({
      ...one,
      async prepare(round: number) {
        const command = await one.prepare(round);
        network.connections();
        return command;
      },
    }));
    // The first round makes accounts and fills caches, and shows what is asked.
    for (const one of counted) {
      const before = pebble.log().length;
      await measure([{ ...one, prepare: () => one.prepare(0) }], 1);
      requests[one.name] = endpoints(pebble.log().slice(before), network.connections());
    }
    const later = counted.map((one) => ({
      ...one,
      prepare: (round: number) => one.prepare(round + 1),
    }));
    return table(scenario.title, await measure(later, rounds), requests);
  } finally {
    await network.close();
    await pebble.close();
    await resolver.close();
  }
}

/** `12 requests, 1 connection: 1 /dir, 4 /authZ/, …` */
function endpoints(log: string, connections: number): string {
  const counts = new Map<string, number>();
  for (const [, path = ""] of log.matchAll(
    /(?:GET|HEAD|POST) (\/[\w-]+\/?)\S* -> calling handler/g,
  )) {
    counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const parts = [...counts].map(([path, count]) => `${count} ${path}`);
  return `${total} on ${connections} connections: ${parts.join(", ")}`;
}

function applies(job: Job, count: number): readonly Program[] {
  const names = (round: number) =>
    Array.from({ length: count }, (_, index) => `c${round}-${index}.example.test`);
  const ours: Program = {
    name: "acmectl",
    env: { HOME: job.folder, XDG_CACHE_HOME: join(job.folder, "cache") },
    async prepare(round) {
      const config = join(job.folder, `config-${round}.yaml`);
      await writeFile(config, configOf(job, names(round)));
      return [
        ...acmectl,
        "apply",
        "-n",
        "--config",
        config,
        "--state",
        join(job.folder, `apply-${round}`),
      ];
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
