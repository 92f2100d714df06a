/** Which of several accounts of one CA an order is placed with. */
import { createHash } from "node:crypto";
import type { CertificateRequest } from "../certificate.ts";
import { pauseIn } from "../state/ledger.ts";
import type { HeldCertificate, StoredAccount } from "../state/store.ts";
import { register, withAccountLock, type AccountTools } from "./open.ts";

/**
 * The id of the account for the next order, where the issuer has several: that of an unfinished order; else that of the
 * certificate held, since only the account that issued it may say that the new one replaces it (RFC 9773 §5), which
 * keeps it out of the CA's limits; else the one that has placed the fewest orders. Those that are missing are registered.
 */
export async function accountInTurn(
  { name, issuer }: Pick<CertificateRequest, "name" | "issuer">,
  held: HeldCertificate | undefined,
  tools: AccountTools,
): Promise<string | undefined> {
  const { server, accounts: wanted = 1 } = issuer;
  const { store, accountId } = tools;
  if (wanted === 1 || accountId !== undefined) return accountId;
  const known = await usable(server, tools);
  const pending = await store.journal.read(name);
  const bound = [
    pending?.directory === server ? pending.accountId : undefined,
    held?.meta.directory === server ? held.meta.account : undefined,
  ].find((id) => known.some((one) => one.id === id));
  if (bound !== undefined) return bound;
  const made = known.length < wanted ? await registerNext(issuer, wanted, tools) : undefined;
  return made ?? leastUsed(name, (await usable(server, tools)).slice(0, wanted), tools);
}

async function usable(server: string, { store }: AccountTools): Promise<readonly StoredAccount[]> {
  const stored = await store.accounts.ofDirectory(server);
  return stored.filter(({ url, status = "valid" }) => url !== undefined && status === "valid");
}

/** Undefined if another run has registered the last one meanwhile. */
function registerNext(
  issuer: CertificateRequest["issuer"],
  wanted: number,
  tools: AccountTools,
): Promise<string | undefined> {
  return withAccountLock(issuer.server, tools, async () => {
    const stored = await tools.store.accounts.ofDirectory(issuer.server);
    const begun = stored.find(
      ({ url, status = "valid" }) => url === undefined && status === "valid",
    );
    if ((await usable(issuer.server, tools)).length >= wanted) return undefined;
    return (await register(issuer, begun, tools)).stored.id;
  });
}

/** Accounts that the CA has paused come last. Among equal ones, a checksum of the certificate's name decides, so that all are used. */
async function leastUsed(
  name: string,
  accounts: readonly StoredAccount[],
  { store, clock }: AccountTools,
): Promise<string | undefined> {
  const [first] = accounts;
  if (first === undefined) return undefined;
  const each = accounts.map(async ({ id, url }) => {
    const about = { events: ["order"], account: url, names: [] } as const;
    const ledger = await store.ledger.read(first.directory, about);
    const isPaused = pauseIn(ledger, url, clock.now()) !== undefined;
    const orders = ledger.entries.filter((one) => one.event === "order" && one.account === url);
    const place = createHash("sha256").update(`${name} ${id}`).digest("hex");
    return { id, rank: [isPaused ? 1 : 0, orders.length, place] as const };
  });
  const [best] = (await Promise.all(each)).toSorted(
    ({ rank: [a, b, c] }, { rank: [d, e, f] }) => a - d || b - e || (c < f ? -1 : 1),
  );
  return best?.id;
}
