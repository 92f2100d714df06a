/** One of several processes that write to one name: presents, says so, waits for a line, and cleans up. */
import { once } from "node:events";
import { challengeFor, solverContext } from "acmectl/testing";
import rfc2136 from "../../plugins/rfc2136/index.ts";

const [server = "", tsigKey = ""] = process.argv.slice(2);
const solver = await rfc2136.create(
  {
    server,
    tsigKey,
    port: undefined,
    zone: undefined,
    tsigKeyName: undefined,
    tsigSecret: undefined,
    tsigAlgorithm: undefined,
    tsigFile: undefined,
    protocol: "tcp",
    signQuery: false,
    ttl: 60,
    timeout: 10_000,
  },
  solverContext(),
);
const challenge = challengeFor("dns-01", "example.test");
const call = { signal: AbortSignal.timeout(30_000) };
const receipt = await solver.present(challenge, call);
process.stdout.write(`${challenge.recordValue}\n`);
await once(process.stdin, "data");
await solver.cleanup(challenge, receipt, call);
process.exit(0);
