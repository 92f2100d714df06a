import type { RecordType } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { isAnswer, type Asking, type Outcome } from "./ask.ts";
import { isFromWildcard, lastOf, mostHops, targetOf } from "./follow.ts";
import type { Question, Reply } from "./message.ts";
import { printable } from "./name.ts";
import { nameOf, type Server } from "./server.ts";
import type { NameServerAddress, Zones } from "./zone.ts";

/** What one look at all servers has shown. */
export interface Look {
  /**
   * `everywhere`: every server that this machine can reach shows the value. `enough`: some show it, and the others do not
   * answer. `unanswered`: no server answers. `missing`: a server answers without the value.
   */
  readonly verdict: "everywhere" | "enough" | "unanswered" | "missing";
  readonly answers: readonly ServerAnswer[];
}

export interface ServerAnswer {
  /** `ns1.example.com (192.0.2.1:53)` */
  readonly server: string;
  readonly role: "authoritative" | "recursive";
  /** `fails`: it refuses, fails or does not serve the zone. `unreachable`: this machine has no route to it (no IPv6). */
  readonly state: "shows" | "missing" | "silent" | "fails" | "unreachable";
  /** TXT strings joined per record, control characters escaped as in zone files; the fields of TLSA records. */
  readonly values: readonly string[];
  /** Seconds, of these values; absent without any. */
  readonly ttl?: number | undefined;
  /** `NOERROR`, `NXDOMAIN`, `timeout`, `REFUSED`, `CNAME to …`. */
  readonly outcome: string;
  /** Milliseconds for which a resolver remembers what it answered, so that asking earlier is useless. */
  readonly remembers?: number | undefined;
}

/** A value, or what is true of it. */
export type Wanted = string | ((text: string) => boolean);

/** The records that are looked at. */
export interface Place {
  readonly name: string;
  readonly type: RecordType;
}

export interface LookOptions {
  /** Ask the resolvers if none of the authoritative servers answers. */
  readonly fallBack: boolean;
}

/** One look for a value: at every authoritative server, and at the resolvers only once those agree. */
export async function lookFor(
  place: Place,
  value: Wanted,
  { fallBack }: LookOptions,
  asking: Asking,
  zones: Zones,
  signal: AbortSignal,
): Promise<Look> {
  const { authoritative, recursive } = asking.settings;
  const atResolvers = () => lookAtResolvers(place, value, asking, signal);
  if (!authoritative) return atResolvers();
  const first = await lookAtZone(place, value, asking, zones, new Set(), signal);
  const further = first.verdict === "unanswered" ? fallBack : recursive;
  if (first.verdict === "missing" || !further) return first;
  const second = await atResolvers();
  const answers = [...first.answers, ...second.answers];
  if (first.verdict !== "unanswered") return { verdict: weaker(first, second), answers };
  return { verdict: second.verdict === "everywhere" ? "enough" : second.verdict, answers };
}

/** What to do about servers that do not show the value, by what they answered. */
export function adviceOn(answers: readonly ServerAnswer[]): string {
  const all = (state: ServerAnswer["state"]) =>
    answers.some((answer) => answer.state === state) &&
    answers.every((answer) => [state, "shows", "unreachable"].includes(answer.state));
  const longest = Math.max(0, ...answers.map(({ remembers = 0 }) => remembers));
  if (all("silent"))
    return "Fix the name servers that do not respond, or remove them from the zone's delegation: the CA cannot reach them either. If only this machine cannot reach them, query the resolvers with --no-dns-authoritative.";
  if (answers.some(({ state }) => state === "fails"))
    return "Check that the zone is delegated to the servers that the solver writes to. To skip these servers, query the resolvers with --no-dns-authoritative, or wait without looking with --dns-wait.";
  if (
    longest > 0 &&
    answers.every(({ role, state }) => role === "recursive" || state === "shows")
  ) {
    return `Run the command again in ${Math.ceil(longest / 1000)} s: until then the resolver repeats its old answer. Or give another resolver with --dns-resolvers.`;
  }
  return "If the provider is slow, raise --dns-timeout. With split-horizon DNS use --dns-resolvers, --no-dns-authoritative or --dns-wait. The next run continues with the same order.";
}

function verdictOf(answers: readonly ServerAnswer[]): Look["verdict"] {
  const states = answers.map(({ state }) => state);
  if (states.includes("missing")) return "missing";
  if (!states.includes("shows")) return "unanswered";
  return states.every((state) => state === "shows" || state === "unreachable")
    ? "everywhere"
    : "enough";
}

const verdicts = ["missing", "unanswered", "enough", "everywhere"] as const;

function weaker(...looks: readonly Pick<Look, "verdict">[]): Look["verdict"] {
  return verdicts.find((verdict) => looks.some((look) => look.verdict === verdict)) ?? "unanswered";
}

async function lookAtZone(
  place: Place,
  value: Wanted,
  asking: Asking,
  zones: Zones,
  seen: Set<string>,
  signal: AbortSignal,
): Promise<Look> {
  const { name } = place;
  seen.add(name);
  try {
    const zone = await zones.find(name, signal);
    const { found, lost } = await zones.servers(zone, signal);
    const asked = await Promise.all(
      found.map((at) => askOne(at, zone.name, place, value, asking, signal)),
    );
    const answers = [...asked.map(({ answer }) => answer), ...lost.map(withoutAddress)];
    const looks: Look[] = [{ verdict: verdictOf(answers), answers }];
    for (const target of new Set(asked.flatMap(({ target }) => target ?? []))) {
      if (seen.has(target) || seen.size > mostHops) looks.push(endless(target));
      else
        looks.push(
          await lookAtZone({ ...place, name: target }, value, asking, zones, seen, signal),
        );
    }
    return { verdict: weaker(...looks), answers: looks.flatMap((look) => look.answers) };
  } catch (error) {
    signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    return { verdict: "unanswered", answers: [failing(`the zone of ${name}`, error.message)] };
  }
}

async function askOne(
  { host, address }: NameServerAddress,
  zone: string,
  { name, type }: Place,
  value: Wanted,
  asking: Asking,
  signal: AbortSignal,
): Promise<{ answer: ServerAnswer; target?: string }> {
  const server: Server = { kind: "plain", address, port: asking.settings.authoritativePort };
  const ask = (question: Question) => asking.ask(server, question, false, signal);
  const base = { server: `${host} (${nameOf(server)})`, role: "authoritative" } as const;
  const without = (state: ServerAnswer["state"], outcome: string) => ({
    answer: { ...base, state, values: [], outcome },
  });
  const outcome = await ask({ name, type });
  const { reply } = outcome;
  if (reply === undefined || !isAnswer(reply)) return { answer: { ...base, ...failed(outcome) } };
  if (!reply.authoritative) return without("fails", `not authoritative for the zone ${zone}`);
  const target = targetOf(reply, name);
  if (target === undefined) return { answer: { ...base, ...seenIn(reply, { name, type }, value) } };
  const beside = async (name: string) => (await ask({ name, type: "CNAME" })).reply ?? reply;
  if (await isFromWildcard(name, target, beside))
    return without("missing", `CNAME to ${target}, from a wildcard`);
  return { target, ...without("shows", `CNAME to ${target}`) };
}

async function lookAtResolvers(
  { name, type }: Place,
  value: Wanted,
  asking: Asking,
  signal: AbortSignal,
): Promise<Look> {
  const answers = await Promise.all(
    asking.resolvers.map(async (server): Promise<ServerAnswer> => {
      const outcome = await asking.ask(server, { name, type }, true, signal);
      const base = { server: nameOf(server), role: "recursive" } as const;
      const { reply } = outcome;
      if (reply === undefined || !isAnswer(reply)) return { ...base, ...failed(outcome) };
      const seen = seenIn(reply, { name: lastOf(reply, name), type }, value);
      const remembers = seen.state === "missing" ? memoryOf(reply, seen) : undefined;
      return { ...base, ...seen, remembers };
    }),
  );
  return { verdict: verdictOf(answers), answers };
}

/** How long a resolver repeats an answer: other values for their TTL, none at all for that of the SOA (RFC 2308 §5). */
function memoryOf({ negativeTtl = 0 }: Reply, { ttl = negativeTtl }: Seen): number {
  return 1000 * ttl;
}

type Seen = Pick<ServerAnswer, "state" | "values" | "outcome" | "ttl">;

function seenIn(reply: Reply, { name, type }: Place, wanted: Wanted): Seen {
  const isWanted = typeof wanted === "string" ? (text: string) => text === wanted : wanted;
  const records = reply.answers.filter((one) => one.type === type && one.name === name);
  const values = records.map((record) => record.value);
  const empty = reply.rcode === "NOERROR" && values.length === 0;
  return {
    state: values.some(isWanted) ? "shows" : "missing",
    values: values.slice(0, mostShown).map((text) => printable(text.slice(0, longestShown))),
    outcome: empty ? `no ${type} record` : reply.rcode,
    ttl: records.length === 0 ? undefined : Math.min(...records.map(({ ttl }) => ttl)),
  };
}

/** Anybody can fill a name with records; a message shows only some. */
const mostShown = 20;
const longestShown = 1000;

function failed(outcome: Outcome): Seen {
  const { reply } = outcome;
  if (reply !== undefined) return { state: "fails", values: [], outcome: reply.rcode };
  const state = outcome.unreachable ? "unreachable" : "silent";
  return { state, values: [], outcome: outcome.failure };
}

const failing = (server: string, outcome: string): ServerAnswer => ({
  server,
  role: "authoritative",
  state: "fails",
  values: [],
  outcome,
});

const withoutAddress = (host: string) => failing(host, "no address found for this name server");

const endless = (target: string): Look => ({
  verdict: "missing",
  answers: [{ ...failing(target, "the CNAMEs form a loop, or are too many"), state: "missing" }],
});
