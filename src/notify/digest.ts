/** What to send now for one entry of `notify`, given what was sent before. */
import type { ConfiguredNotifier } from "../config/config.ts";
import { dateOf } from "../dates.ts";
import type { Notification, NotificationItem } from "../plugin.ts";
import type { Incident } from "./incidents.ts";

/** An event that was reported and is not over. */
export interface Told extends Omit<Incident, "labels" | "expiresAt"> {
  readonly since: string;
  readonly at: string;
}
/** By `event certificate`. */
export type Memory = Readonly<Record<string, Told>>;

export interface Digest {
  readonly items: readonly NotificationItem[];
  /** What is known once the items have arrived. */
  readonly memory: Memory;
}

/** Runs are up to a day apart, and not exactly. */
const daily = 23 * 3_600_000;

/** First, when it changes, then daily; and once when it is over. `names` are those of the certificates that exist. */
export function digestOf(
  incidents: readonly Incident[],
  names: ReadonlySet<string>,
  { events, labels = {} }: Pick<ConfiguredNotifier, "events" | "labels">,
  memory: Memory,
  now: Date,
): Digest {
  const isWanted = (event: NonNullable<typeof events>[number]) =>
    events === undefined || events.includes(event);
  const mine = incidents.filter(
    (one) =>
      isWanted(one.event) &&
      Object.entries(labels).every(([key, value]) => one.labels[key] === value),
  );
  const at = now.toISOString();
  const told = new Map(
    mine.map((one) => [keyOf(one), next(one, memory[keyOf(one)], now)] as const),
  );
  const items = mine.flatMap((one) => {
    const known = told.get(keyOf(one));
    return known?.at === at ? [itemOf(one, known.since)] : [];
  });
  // Of a certificate that was removed there is nothing to say.
  const over = Object.entries(memory).filter(
    ([key, { event, certificate }]) => !told.has(key) && isWanted(event) && names.has(certificate),
  );
  const recovered = over.map(([, one]) => recoveredOf(one));
  return {
    items: isWanted("recovery") ? [...items, ...recovered] : items,
    memory: Object.fromEntries(told),
  };
}

const keyOf = ({ event, certificate }: Pick<Incident, "event" | "certificate">) =>
  `${event} ${certificate}`;

function next(
  { certificate, names, event, title, detail, signature }: Incident,
  before: Told | undefined,
  now: Date,
): Told {
  const one = { certificate, names, event, title, detail, signature };
  const at = now.toISOString();
  if (before === undefined) return { ...one, since: at, at };
  const isRecent = now.getTime() - new Date(before.at).getTime() < daily;
  const isSame = before.signature === one.signature;
  return { ...one, since: before.since, at: isSame && isRecent ? before.at : at };
}

function itemOf(
  { certificate, names, event, title, detail, expiresAt }: Incident,
  since: string,
): NotificationItem {
  return { certificate, names, event, title, detail, expiresAt, since, recovered: false };
}

function recoveredOf({ certificate, names, event, since }: Told): NotificationItem {
  return { certificate, names, event, title: titles[event], detail: "", since, recovered: true };
}

const titles = {
  failure: "can be issued and renewed again",
  deploy: "is deployed",
  expiry: "is renewed",
};

/** The message. `items` is not empty. */
export function notificationOf(
  items: readonly NotificationItem[],
  host: string,
  now: Date,
): Notification {
  const isProblem = items.some(({ recovered }) => !recovered);
  return {
    kind: isProblem ? "problem" : "recovery",
    host,
    at: now.toISOString(),
    subject: subjectOf(items, host),
    text: textOf(items, host),
    items,
  };
}

/** For `notify test`. */
export function testNotification(host: string, now: Date): Notification {
  const text = `This is a test by \`acmectl notify test\` on ${host}. Failures will be reported here.`;
  const subject = `acmectl on ${host}: test`;
  return { kind: "test", host, at: now.toISOString(), subject, text, items: [] };
}

function subjectOf(items: readonly NotificationItem[], host: string): string {
  const [first, ...others] = items.toSorted((a, b) => Number(a.recovered) - Number(b.recovered));
  if (first !== undefined && others.length === 0)
    return `acmectl on ${host}: ${first.certificate} ${first.title}`;
  const names = (recovered: boolean) =>
    new Set(
      items.filter((one) => one.recovered === recovered).map(({ certificate }) => certificate),
    );
  const [troubled, fine] = [names(false).size, names(true).size];
  const said = [
    troubled === 0 ? [] : `${counted(troubled)} ${troubled === 1 ? "needs" : "need"} attention`,
    fine === 0 ? [] : `${counted(fine)} recovered`,
  ];
  return `acmectl on ${host}: ${said.flat().join(", ")}`;
}

const counted = (count: number) => `${count} ${count === 1 ? "certificate" : "certificates"}`;

const longestList = 25;

function textOf(items: readonly NotificationItem[], host: string): string {
  const listed = items.slice(0, longestList).map((item) => {
    const { certificate, names, title, detail, expiresAt, recovered, since } = item;
    const of = names.length === 0 || names.join() === certificate ? "" : ` (${namesOf(names)})`;
    const end = expiresAt === undefined ? [] : `Valid until ${dateOf(expiresAt)}.`;
    const known = recovered ? `It was reported at ${dateOf(since)}.` : end;
    return [`${certificate}${of} ${title}.`, detail === "" ? [] : detail, known]
      .flat()
      .join("\n  ");
  });
  const more = items.length - listed.length;
  const rest = more > 0 ? [`And ${more} more.`] : [];
  const isProblem = items.some(({ recovered }) => !recovered);
  const advice = isProblem ? [`Details on ${host}: acmectl status --check`] : [];
  return [...listed, ...rest, ...advice].join("\n\n");
}

function namesOf(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")}, …`;
}
