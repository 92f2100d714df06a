/** Copies a state into another, item by item, and reads each back. What is there already, or newer there, stays. */
import { Problem } from "../problem.ts";
import { copyCertificate, locked, type Copying } from "./copy-certificate.ts";
import { isSame, verified } from "./copied.ts";
import type { Ledger } from "./ledger.ts";
import type { Store, StoredAccount } from "./store.ts";

export interface CopiedItem {
  /** E.g. `certificate shop`. */
  readonly item: string;
  readonly outcome: "copied" | "unchanged" | "newer" | "failed";
  readonly problem?: Problem | undefined;
}

export async function* copyState(
  from: Store,
  to: Store,
  signal: AbortSignal,
): AsyncIterable<CopiedItem> {
  const directories = new Set<string>();
  for (const account of await from.accounts.list()) {
    directories.add(account.directory);
    const item = `account ${account.id} with ${account.directory}`;
    yield attempted(item, () => copyAccount(account, to));
  }
  for await (const one of from.certificates.list({ attempts: true })) {
    if ("request" in one) directories.add(one.request.issuer.server);
    if ("held" in one && one.held !== undefined) directories.add(one.held.meta.directory);
    yield attempted(`certificate ${one.name}`, () => copyCertificate(one, { from, to, signal }));
  }
  for (const name of await from.journal.names())
    yield attempted(`unfinished order of ${name}`, () => copyOrder(name, { from, to, signal }));
  for (const directory of directories)
    yield attempted(`ledger of ${directory}`, () => copyLedger(directory, from, to));
  for (const { solver, key, value } of await from.solverValues())
    yield attempted(`value ${key} of the solver ${solver}`, async () => {
      const state = to.solverState(solver);
      if (isSame(await state.get(key), value)) return "unchanged";
      await state.set(key, value);
      return verified(isSame(await state.get(key), value));
    });
  const pending = await to.pendingHooks.list();
  for (const [run, hooks] of Object.entries(await from.pendingHooks.list()))
    yield attempted(`post hooks of the run ${run}`, async () => {
      if (isSame(pending[run], hooks)) return "unchanged";
      for (const hook of hooks) await to.pendingHooks.add(run, hook);
      return "copied";
    });
}

type Outcome = CopiedItem["outcome"];

async function attempted(item: string, work: () => Promise<Outcome>): Promise<CopiedItem> {
  try {
    return { item, outcome: await work() };
  } catch (problem) {
    if (!Problem.is(problem)) throw problem;
    return { item, outcome: "failed", problem };
  }
}

async function copyAccount(account: StoredAccount, to: Store): Promise<Outcome> {
  const { id, directory, key, nextKey, where: _, ...record } = account;
  const find = async () => (await to.accounts.ofDirectory(directory)).find((one) => one.id === id);
  const isCopy = (other: StoredAccount) =>
    isSame({ ...other, where: "" }, { ...account, where: "" });
  const present = await find();
  if (present !== undefined && isCopy(present)) return "unchanged";
  if (present !== undefined && present.key !== key)
    throw new Problem("machine", {
      detail: `The account has another key in ${to.where}, which stays as it is.`,
      hint: "Find out which key the CA knows (acmectl account show), and remove the account from the other state.",
      retryable: false,
    });
  const { contact } = record;
  const made = present ?? (await to.accounts.create({ id, directory, contact, key }));
  if (nextKey !== undefined) await to.accounts.beginRollover(made, nextKey);
  await to.accounts.update(made, record);
  const copy = await find();
  return verified(copy !== undefined && isCopy(copy));
}

async function copyOrder(name: string, copying: Copying): Promise<Outcome> {
  const { from, to } = copying;
  return locked(name, copying, async () => {
    const pending = await from.journal.read(name);
    const present = await to.journal.read(name);
    if (pending === undefined || isSame(present, pending)) return "unchanged";
    if (present !== undefined) return "newer";
    await to.journal.write(pending);
    return verified(isSame(await to.journal.read(name), pending));
  });
}

/** What was counted in either counts. */
async function copyLedger(directory: string, from: Store, to: Store): Promise<Outcome> {
  const source = await from.ledger.read(directory);
  const hasAll = ({ entries, pauses }: Ledger) =>
    missing(source.entries, entries).length + missing(source.pauses, pauses).length === 0;
  if (hasAll(await to.ledger.read(directory))) return "unchanged";
  await to.ledger.update(directory, ({ entries, pauses, clock }) => ({
    entries: [...entries, ...missing(source.entries, entries)].toSorted(
      (a, b) => Date.parse(a.at) - Date.parse(b.at),
    ),
    pauses: [...pauses, ...missing(source.pauses, pauses)],
    clock,
  }));
  return verified(hasAll(await to.ledger.read(directory)));
}

function missing<T extends object>(all: readonly T[], known: readonly T[]): readonly T[] {
  const texts = new Set(known.map(textOf));
  return all.filter((one) => !texts.has(textOf(one)));
}

/** Members in any order. */
const textOf = (one: object) => JSON.stringify(one, Object.keys(one).toSorted());
