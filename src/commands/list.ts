import { type Block, line, table } from "../result.ts";
import { timeFrom } from "../dates.ts";
import type { BrokenCertificate, Store } from "../state/store.ts";
import { brokenDocument, brokenLines } from "../status/broken.ts";
import { eachKnown, isInProgress, type KnownCertificate } from "../status/certificates.ts";
import { conditionsOf, stateOf } from "../status/conditions.ts";
import { describeHeld } from "../status/describe.ts";
import { dueOf, hasNoEnd, pauseOf } from "../status/due.ts";
import { hostsDocument } from "../status/hosts.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "list",
  summary: "List certificates: names, expiry, issuer, state",
  description: "`acmectl status` shows their conditions and what happens next.",
  options: {},
  async run(_, context) {
    const store = await context.store();
    const now = context.clock.now();
    // Only one of them is made, while it is written: a hundred thousand are not in memory at once.
    return {
      document: { outcome: "listed", certificates: documents(store, now) },
      view: view(store, now),
    };
  },
});

const noConfig = { requests: [], broken: [] };

async function* documents(store: Store, now: Date): AsyncGenerator<Record<string, unknown>> {
  const broken: BrokenCertificate[] = [];
  for await (const one of eachKnown(noConfig, store, { files: true })) {
    if ("problem" in one) broken.push(one);
    else yield documentOf(one, now);
  }
  yield* broken.map(brokenDocument);
}

async function* view(store: Store, now: Date): AsyncGenerator<Block> {
  const broken: BrokenCertificate[] = [];
  const rows = rowsOf(store, now, broken);
  const first = await rows.next();
  if (first.done === true) {
    yield line(await noneIn(store), "dim");
    return;
  }
  yield table(
    ["NAME", "NAMES", "EXPIRES", "DUE", "ISSUER", "STATE"],
    startingWith(first.value, rows),
  );
  yield* broken.flatMap(brokenLines);
}

async function* startingWith<T>(first: T, others: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* others;
}

/** What cannot be read is last, and `broken` when all rows were made. */
async function* rowsOf(
  store: Store,
  now: Date,
  broken: BrokenCertificate[],
): AsyncGenerator<readonly string[]> {
  for await (const one of eachKnown(noConfig, store, { files: false })) {
    if ("problem" in one) broken.push(one);
    else yield rowOf(one, now);
  }
  for (const { name } of broken) yield [name, "-", "-", "-", "-", "broken"];
}

async function noneIn(store: Store): Promise<string> {
  return (await store.exists())
    ? `There are no certificates in ${store.where}.`
    : `There are no certificates: the state folder ${store.where} does not exist.`;
}

function documentOf(certificate: KnownCertificate, now: Date): Record<string, unknown> {
  const { name, request, held, files } = certificate;
  const outcome = stateOf(certificate, now);
  const conditions = conditionsOf(certificate, now);
  const hosts = hostsDocument(certificate);
  if (held === undefined) {
    const { identifiers, issuer } = request;
    return { name, outcome, identifiers, directory: issuer.server, conditions, hosts };
  }
  const due = dueOf(certificate, now).at;
  return { ...describeHeld(request, held, files, outcome, now, due).document, conditions, hosts };
}

function rowOf(certificate: KnownCertificate, now: Date): readonly string[] {
  const { name, request, held } = certificate;
  const [first = "", ...others] = request.identifiers.map(({ value }) => value);
  return [
    name,
    others.length === 0 ? first : `${first} +${others.length}`,
    held === undefined ? "-" : timeFrom(now, new Date(held.meta.notAfter)),
    dueIn(certificate, now),
    held?.meta.issuer ?? "-",
    stateOf(certificate, now),
  ];
}

/** Not before the end of a back-off. */
function dueIn(certificate: KnownCertificate, now: Date): string {
  if (isInProgress(certificate)) return "-";
  const due = dueOf(certificate, now).at;
  const pause = pauseOf(certificate, now, false);
  if (due > now && pause?.reason !== "off") return timeFrom(now, due);
  if (pause === undefined) return "now";
  return hasNoEnd(pause) ? "-" : timeFrom(now, pause.until);
}
