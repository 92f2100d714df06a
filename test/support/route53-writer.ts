/** One of several processes that write to one name: presents, says so, waits for a line, and cleans up. */
import { once } from "node:events";
import { challengeFor, solverContext } from "acmectl/testing";
import route53 from "../../plugins/route53/index.ts";
import { resolveOptions } from "../../src/options/resolve.ts";

const { env } = process;
const from = { plugin: "route53", env, cwd: "/", mask: () => {} };
const { values } = await resolveOptions(route53.options, from);
const solver = await route53.create(values, solverContext());
const challenge = challengeFor("dns-01", "example.test");
const call = { signal: AbortSignal.timeout(60_000) };
const receipt = await solver.present(challenge, call);
process.stdout.write(`${challenge.recordValue}\n`);
await once(process.stdin, "data");
await solver.cleanup(challenge, receipt, call);
process.exit(0);
