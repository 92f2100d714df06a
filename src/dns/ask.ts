import { randomInt } from "node:crypto";
import { Problem } from "../problem.ts";
import { fetchByProxy } from "../proxy.ts";
import { createLimit } from "../limit.ts";
import { MalformedReply, decodeReply, encodeQuery, type Question, type Reply } from "./message.ts";
import { nameOf, resolversOf, type Server } from "./server.ts";
import { NoReply, exchangeByHttps, exchangeByTcp, exchangeByUdp } from "./transport.ts";

export interface DnsSettings {
  /** Recursive resolvers, `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or an https URL (DNS over HTTPS, RFC 8484). Empty: the system's. */
  readonly resolvers: readonly string[];
  /** Ask the zone's authoritative servers themselves. False for split horizon: then the resolvers are asked. */
  readonly authoritative: boolean;
  /** Port of authoritative servers; 53 but in tests. */
  readonly authoritativePort: number;
  /** Ask the resolvers too, after the authoritative servers agree. */
  readonly recursive: boolean;
  /** Milliseconds for one question to one server. */
  readonly queryTimeout: number;
  /** For DNS over HTTPS; by the proxy of the environment when absent. */
  readonly fetch?: typeof fetchByProxy | undefined;
}

/** The answer of one server, or why there is none. */
export type Outcome =
  | { readonly reply: Reply; readonly failure?: undefined }
  | { readonly reply?: undefined; readonly failure: string; readonly unreachable: boolean };

export interface Asking {
  readonly settings: DnsSettings;
  readonly resolvers: readonly Server[];
  /** Ask one server; only the signal rejects. */
  ask(server: Server, question: Question, recurse: boolean, signal: AbortSignal): Promise<Outcome>;
  /** The first resolver's answer that is NOERROR or NXDOMAIN; REFUSED if all refuse; a Problem if none answers. */
  askResolvers(question: Question, signal: AbortSignal): Promise<Reply>;
  /** What the resolvers answer, whatever its code: the first NOERROR or NXDOMAIN, else the first failure; undefined if none responds. */
  replyOf(question: Question, signal: AbortSignal): Promise<Reply | undefined>;
}

/** Questions at once, over all names of a run. */
const parallel = 24;

/** Resolvers are read, the number of questions at once is limited, failures are values. */
export function openAsking(settings: DnsSettings): Asking {
  const resolvers = resolversOf(settings.resolvers);
  const order = [...resolvers];
  const limit = createLimit(parallel);
  const ask: Asking["ask"] = (server, question, recurse, signal) =>
    limit(() => outcomeOf(server, question, recurse, settings, signal));
  return {
    settings,
    resolvers,
    ask,
    askResolvers: (question, signal) => askInTurn(order, ask, question, signal),
    async replyOf(question, signal) {
      let failed: Reply | undefined;
      for (const server of order.slice()) {
        const { reply } = await ask(server, question, true, signal);
        if (reply !== undefined && isAnswer(reply)) return reply;
        failed ??= reply;
      }
      return failed;
    },
  };
}

/** A silent resolver is asked last from then on, so that only one question waits for it. */
async function askInTurn(
  order: Server[],
  ask: Asking["ask"],
  question: Question,
  signal: AbortSignal,
): Promise<Reply> {
  const refused: Reply[] = [];
  const failures: string[] = [];
  for (const server of order.slice()) {
    const { reply, failure } = await ask(server, question, true, signal);
    if (reply === undefined) order.push(...order.splice(order.indexOf(server), 1));
    if (reply !== undefined && isAnswer(reply)) return reply;
    if (reply?.rcode === "REFUSED") refused.push(reply);
    failures.push(`${nameOf(server)}: ${reply?.rcode ?? failure}`);
  }
  const [refusal] = refused;
  if (refusal !== undefined && refused.length === order.length) return refusal;
  throw new Problem("network", {
    detail: `No DNS resolver answers for the ${question.type} records of ${question.name} (${failures.join("; ")}).`,
    hint: "Check the network and the zone's delegation, or give other resolvers with --dns-resolvers (an https:// URL if port 53 is blocked). If only SOA or NS queries fail, --dns-cname none with --no-dns-authoritative does without them.",
  });
}

/** NXDOMAIN is an answer as well. */
export function isAnswer({ rcode }: Reply): boolean {
  return rcode === "NOERROR" || rcode === "NXDOMAIN";
}

async function outcomeOf(
  server: Server,
  question: Question,
  recurse: boolean,
  settings: DnsSettings,
  signal: AbortSignal,
): Promise<Outcome> {
  signal.throwIfAborted();
  try {
    const reply = await exchange(server, question, { recurse, edns: true }, settings, signal);
    // The answer of servers older than EDNS (RFC 6891 §7).
    if (reply.rcode !== "FORMERR" && reply.rcode !== "NOTIMP") return { reply };
    const plain = { recurse, edns: false };
    return { reply: await exchange(server, question, plain, settings, signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NoReply) return { failure: error.message, unreachable: error.unreachable };
    if (error instanceof MalformedReply) return { failure: error.message, unreachable: false };
    throw error;
  }
}

async function exchange(
  server: Server,
  question: Question,
  flags: { recurse: boolean; edns: boolean },
  settings: DnsSettings,
  signal: AbortSignal,
): Promise<Reply> {
  // RFC 8484 §4.1: 0, so that answers can be cached.
  const id = server.kind === "https" ? 0 : randomInt(0x1_0000);
  const common = {
    query: encodeQuery(id, question, flags),
    read: (message: Buffer) => decodeReply(message, id, question),
    timeout: settings.queryTimeout,
    signal,
  };
  if (server.kind === "https")
    return exchangeByHttps({ ...common, url: server.url, fetch: settings.fetch ?? fetchByProxy });
  const reply = await exchangeByUdp({ ...common, ...server });
  return reply.truncated ? exchangeByTcp({ ...common, ...server }) : reply;
}
