/** What is left of the limits of the CAs in use, for `plan` and `check`. */
import { limitsOf } from "../acme/limits.ts";
import { caName, traitsOf } from "../acme/presets.ts";
import type { CertificateRequest, IssuerSetting } from "../certificate.ts";
import { dateFrom } from "../dates.ts";
import {
  allowancesFor,
  allowanceText,
  findIn,
  noEntries,
  pauseIn,
  type Allowance,
  type CaPause,
} from "../state/ledger.ts";
import type { Store } from "../state/store.ts";

type Stores = Pick<Store, "accounts" | "ledger">;

/** Until when none of the request's CAs accepts orders of the account that would be used. */
export async function caPause(
  { issuer, issuers = [issuer] }: Pick<CertificateRequest, "issuer" | "issuers">,
  store: Stores,
  now: Date,
): Promise<(CaPause & { readonly end: Date }) | undefined> {
  const pauses = await Promise.all(
    issuers.map(async ({ server, accounts = 1 }) => {
      const stored = await store.accounts.ofDirectory(server);
      const ledger = await store.ledger.read(server, noEntries);
      const [first, ...others] = stored.slice(0, accounts).map(({ url }) => url);
      // Of several accounts, another one places the order.
      const ends = [first, ...others].map((url) => pauseIn(ledger, url, now));
      if (ends.includes(undefined)) return undefined;
      return ends
        .flatMap((one) => one ?? [])
        .toSorted((a, b) => a.end.getTime() - b.end.getTime())[0];
    }),
  );
  const found = pauses.filter((pause) => pause !== undefined);
  if (found.length < issuers.length) return undefined;
  return found.toSorted((a, b) => a.end.getTime() - b.end.getTime())[0];
}

/** The first of the request's CAs that accepts orders, as far as is known; the first one if none does. */
export async function openServer(
  { issuer, issuers = [issuer] }: Pick<CertificateRequest, "issuer" | "issuers">,
  store: Stores,
  now: Date,
): Promise<string> {
  for (const one of issuers.length > 1 ? issuers : [])
    if ((await caPause({ issuer: one }, store, now)) === undefined) return one.server;
  return issuers[0]?.server ?? issuer.server;
}

/** What is known of the limits that orders for these requests of one CA count for. */
export interface LimitsLeft {
  readonly server: string;
  readonly pause: (CaPause & { readonly end: Date }) | undefined;
  /** Empty if no limit of the CA is known. */
  readonly allowances: readonly Allowance[];
}

/** One entry for each CA. Limits of names and domains are listed where some of them is used up. */
export async function limitsLeft(
  requests: readonly CertificateRequest[],
  store: Stores,
  now: Date,
): Promise<readonly LimitsLeft[]> {
  const counter = openCounter(store, now);
  for (const request of requests) await counter.add(request);
  return counter.left();
}

/** The same of one request after the other. */
export function openCounter(store: Stores, now: Date) {
  const cas = new Map<string, Promise<OfCa>>();
  return {
    async add({ issuer, issuers = [issuer], identifiers }: Wanted): Promise<void> {
      for (const one of issuers) {
        if (!traitsOf(one.server).limits) continue;
        const ca = cas.get(one.server) ?? openCa(one, store, now);
        cas.set(one.server, ca);
        await (await ca).add(identifiers.map(({ value }) => value));
      }
    },
    left: async (): Promise<readonly LimitsLeft[]> =>
      (await Promise.all(cas.values())).map((ca) => ca.left()),
  };
}

type Wanted = Pick<CertificateRequest, "issuer" | "issuers" | "identifiers">;
type OfCa = Awaited<ReturnType<typeof openCa>>;

/** The ledger is read once. Of names that it does not have, nothing is used up. */
async function openCa({ server, limits: own }: IssuerSetting, store: Stores, now: Date) {
  const [account] = await store.accounts.ofDirectory(server);
  const ledger = await store.ledger.read(server);
  const limits = limitsOf(server, own);
  const found = await findIn(ledger.entries);
  const asking = { account: account?.url, names: [] };
  const general = await allowancesFor(asking, ledger, limits, now);
  const distinct = new Map(
    general
      .filter(({ limit }) => limit !== "certificatesPerSet")
      .map((one) => [`${one.limit} ${one.of}`, one] as const),
  );
  return {
    async add(names: readonly string[]) {
      const entries = await found(names);
      if (entries.length === 0) return;
      const part = { ...ledger, entries };
      for (const one of await allowancesFor({ ...asking, names }, part, limits, now))
        if (one.of !== "" && one.left < one.most) distinct.set(`${one.limit} ${one.of}`, one);
    },
    left: () => ({
      server,
      pause: pauseIn(ledger, account?.url, now),
      allowances: [...distinct.values()],
    }),
  };
}

/** `letsencrypt: 297 of 300 new orders of this account in 3 hours left` */
export function limitLines(
  { server, pause, allowances }: LimitsLeft,
  now: Date,
): readonly string[] {
  const ca = caName(server);
  const stop =
    pause && `${ca} accepts no orders before ${dateFrom(now, pause.end)}: ${pause.detail}`;
  return [
    ...(stop === undefined ? [] : [stop]),
    ...allowances.map((one) => `${ca}: ${left(one, now)}`),
  ];
}

function left(one: Allowance, now: Date): string {
  return one.next === undefined
    ? allowanceText(one)
    : `${allowanceText(one)}; one more ${dateFrom(now, one.next)}`;
}
