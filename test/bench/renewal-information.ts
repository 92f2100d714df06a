/** A run with nothing due that asks a CA for renewal information about its share of the certificates. */
import { execFile } from "node:child_process";
import { cp, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { startDnsServer } from "../support/dns-server.ts";
import { freePort } from "../support/servers/process.ts";
import { startPebble } from "../support/servers/pebble.ts";
import { acmectl } from "./clients.ts";
import { endpoints } from "./issuance.ts";
import { measure, table, type Program } from "./measure.ts";
import { startNetwork } from "./proxy.ts";
import { empty } from "./start-up.ts";
import { storedLike } from "./stored.ts";

const count = 1_000;

export async function renewalInformation(root: string, rounds: number): Promise<string> {
  const folder = await mkdtemp(join(root, "information-"));
  const records = [{ name: "*.example.test", type: "A", data: "127.0.0.1" } as const];
  const resolver = await startDnsServer({ zones: [{ name: "test", records }], recursive: true });
  const httpPort = await freePort();
  const dnsServer = resolver.server;
  const pebble = await startPebble({ program: "pebble-2.9", dnsServer, httpPort });
  const network = await startNetwork(pebble.directoryUrl, 50);
  const env = { HOME: folder, XDG_CACHE_HOME: join(folder, "cache") };
  const name = "one.example.test";
  const issued = join(folder, "issued");
  const words = [
    ...["issue", "-n", "-d", name, "--state", issued, "--self-check-at", `127.0.0.1:${httpPort}`],
    ...["--server", network.directoryUrl, "--ca-bundle", pebble.rootFile, "--agree-tos"],
    ...["--email", "bench@example.test", "--standalone", "--standalone-port", `${httpPort}`],
  ];
  const [file = "", ...args] = acmectl;
  let requests = "";
  const title = `\`renew\`, ${count.toLocaleString("en")} certificates`;
  const renew: Program = {
    name: title,
    env,
    async prepare(round) {
      const state = join(folder, `night-${round}`);
      const copied = storedLike(issued, name, folder).with(count);
      await cp(copied, state, { recursive: true, verbatimSymlinks: true });
      return [...acmectl, "renew", "--no-jitter", "--every", "6h", "--state", state];
    },
    async beside() {
      const before = pebble.log().length;
      network.connections();
      return {
        async [Symbol.asyncDispose]() {
          // Pebble's last lines may still be on their way.
          await sleep(100);
          requests = endpoints(pebble.log().slice(before), network.connections());
        },
      };
    },
  };
  try {
    await promisify(execFile)(file, [...args, ...words], { env });
    const measured = await measure([empty, renew], rounds);
    return table(measured, { [title]: requests });
  } finally {
    await network.close();
    await pebble.close();
    await resolver.close();
  }
}
