import { Problem } from "../problem.ts";
import { isAnswer, type Asking, type Outcome } from "./ask.ts";
import { lastOf, mostHops, targetOf } from "./follow.ts";
import { printable } from "./name.ts";
import { nameOf, type Server } from "./server.ts";
import type { NameServerAddress, Zones } from "./zone.ts";

export interface Look {
  /** Every server that was asked, and that this machine can reach, shows the value. */
  readonly visible: boolean;
  readonly answers: readonly ServerAnswer[];
}

export interface ServerAnswer {
  /** `ns1.example.com (192.0.2.1:53)` */
  readonly server: string;
  readonly role: "authoritative" | "recursive";
  readonly visible: boolean;
  /** TXT strings joined per record, control characters escaped as in zone files. */
  readonly values: readonly string[];
  /** `NOERROR`, `NXDOMAIN`, `timeout`, `REFUSED`, `CNAME to …`. */
  readonly outcome: string;
  /** Answers that waiting will not mend, such as REFUSED from a server that does not serve the zone. */
  readonly final: boolean;
  /** Left out of the verdict: this machine has no route to it (no IPv6), and other servers answered. */
  readonly ignored?: true;
}

/** One look for a TXT value: at every authoritative server, and at the resolvers only once those agree. */
export async function lookForTxt(
  name: string,
  value: string,
  asking: Asking,
  zones: Zones,
  signal: AbortSignal,
): Promise<Look> {
  const { authoritative, recursive } = asking.settings;
  const first = authoritative
    ? await lookAtZone(name, value, asking, zones, new Set(), signal)
    : [];
  if (!verdict(first) && authoritative) return { visible: false, answers: first };
  if (authoritative && !recursive) return { visible: true, answers: first };
  const second = await lookAtResolvers(name, value, asking, signal);
  return { visible: verdict(second), answers: [...first, ...second] };
}

/** All that this machine can reach see it, and there is at least one. */
function verdict(answers: readonly ServerAnswer[]): boolean {
  const counted = answers.filter((answer) => answer.ignored !== true);
  return counted.length > 0 && counted.every((answer) => answer.visible);
}

async function lookAtZone(
  name: string,
  value: string,
  asking: Asking,
  zones: Zones,
  seen: Set<string>,
  signal: AbortSignal,
): Promise<readonly ServerAnswer[]> {
  seen.add(name);
  try {
    const zone = await zones.find(name, signal);
    const { found, lost } = await zones.servers(zone, signal);
    const asked = await Promise.all(
      found.map((at) => askOne(at, zone.name, name, value, asking, signal)),
    );
    const answers = [...asked.map(({ answer }) => answer), ...lost.map(withoutAddress)];
    const targets = new Set(asked.flatMap(({ target }) => target ?? []));
    const further = [];
    for (const target of targets) {
      if (seen.has(target) || seen.size > mostHops) further.push(endless(target));
      else further.push(...(await lookAtZone(target, value, asking, zones, seen, signal)));
    }
    return [...withoutUnreachable(answers), ...further];
  } catch (error) {
    signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    return [nobody(`the zone of ${name}`, error.message)];
  }
}

async function askOne(
  { host, address }: NameServerAddress,
  zone: string,
  name: string,
  value: string,
  asking: Asking,
  signal: AbortSignal,
): Promise<{ answer: ServerAnswer; target?: string }> {
  const server: Server = { kind: "plain", address, port: asking.settings.authoritativePort };
  const outcome = await asking.ask(server, { name, type: "TXT" }, false, signal);
  const base = { server: `${host} (${nameOf(server)})`, role: "authoritative" } as const;
  const { reply } = outcome;
  if (reply === undefined || !answersFor(outcome)) {
    return { answer: { ...base, visible: false, values: [], ...failed(outcome) } };
  }
  if (!reply.authoritative) {
    const lame = `does not speak for the zone ${zone}`;
    return { answer: { ...base, visible: false, values: [], outcome: lame, final: true } };
  }
  const target = targetOf(reply, name);
  if (target !== undefined) {
    const outcome = `CNAME to ${target}`;
    return { target, answer: { ...base, visible: true, values: [], outcome, final: false } };
  }
  return { answer: { ...base, ...seenIn(outcome, name, value), final: false } };
}

async function lookAtResolvers(
  name: string,
  value: string,
  asking: Asking,
  signal: AbortSignal,
): Promise<readonly ServerAnswer[]> {
  return Promise.all(
    asking.resolvers.map(async (server): Promise<ServerAnswer> => {
      const outcome = await asking.ask(server, { name, type: "TXT" }, true, signal);
      const base = { server: nameOf(server), role: "recursive" } as const;
      if (!answersFor(outcome)) {
        return { ...base, visible: false, values: [], ...failed(outcome) };
      }
      const end = outcome.reply === undefined ? name : lastOf(outcome.reply, name);
      return { ...base, ...seenIn(outcome, end, value), final: false };
    }),
  );
}

function answersFor({ reply }: Outcome): boolean {
  return reply !== undefined && isAnswer(reply);
}

function seenIn(
  { reply }: Outcome,
  name: string,
  value: string,
): { visible: boolean; values: readonly string[]; outcome: string } {
  const records = (reply?.answers ?? []).filter(
    (record) => record.type === "TXT" && record.name === name,
  );
  const values = records.map((record) => record.value);
  const outcome =
    reply?.rcode === "NOERROR" && values.length === 0 ? "no TXT record" : reply?.rcode;
  const shown = values.slice(0, mostShown).map((text) => printable(text.slice(0, longestShown)));
  return { visible: values.includes(value), values: shown, outcome: outcome ?? "" };
}

/** Others may write what they like at a name; a failure's text need not repeat all of it. */
const mostShown = 20;
const longestShown = 255;

const refusals = new Set(["REFUSED", "NOTAUTH", "NOTIMP"]);

function failed({ reply, failure }: Outcome): { outcome: string; final: boolean } {
  const outcome = reply?.rcode ?? failure ?? "";
  return { outcome, final: refusals.has(outcome) };
}

/** Without IPv6 here, a server's IPv6 address proves nothing, as long as any other address answered. */
function withoutUnreachable(answers: readonly ServerAnswer[]): readonly ServerAnswer[] {
  if (answers.every(unreachable)) return answers;
  return answers.map((answer) => (unreachable(answer) ? { ...answer, ignored: true } : answer));
}

const unreachable = (answer: ServerAnswer) => answer.outcome === "no route from this machine";

const nobody = (server: string, outcome: string): ServerAnswer => ({
  server,
  role: "authoritative",
  visible: false,
  values: [],
  outcome,
  final: false,
});

const withoutAddress = (host: string) => nobody(host, "no address found for this name server");

const endless = (target: string): ServerAnswer => ({
  ...nobody(target, "the CNAMEs run in a circle, or are too many"),
  final: true,
});
