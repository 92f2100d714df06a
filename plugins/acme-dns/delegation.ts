/** The one manual step, a CNAME for each name, and whether it was done. */
import { Problem, type Target } from "acmectl/plugin";
import { isTarget, targetOf, type Account } from "./account.ts";
import { most } from "./slots.ts";

/** A name of the run with the account that shall answer for it. */
export interface Delegation {
  readonly target: Target;
  readonly account: Account;
}

/** Throws one Problem with the lines of all names whose CNAME is missing or leads elsewhere. */
export function checkDelegations(delegations: readonly Delegation[]): void {
  const faults = new Map<string, string>();
  const lines = new Set<string>();
  for (const { target, account } of delegations) {
    const fault = faultOf(target, account);
    if (fault === undefined) continue;
    faults.set(target.identifier.value, fault);
    lines.add(lineFor(target, account));
  }
  if (faults.size === 0) return;
  const records = lines.size === 1 ? "this record" : `these ${lines.size} records`;
  throw new Problem("config", {
    title: "CNAME needed",
    detail: [...faults.values()].join("\n"),
    hint: `Add ${records} to the DNS, once, and run the same command again when they can be looked up:\n${[...lines].join("\n")}`,
  });
}

/** Throws a Problem when more values are due at once than an account shows. */
export function checkCapacity(delegations: readonly Delegation[]): void {
  for (const [, group] of Map.groupBy(delegations, ({ account }) => account.subdomain)) {
    const [first] = group;
    if (first === undefined || group.length <= most) continue;
    const names = group.map(
      ({ target: { identifier, wildcard } }) => (wildcard ? "*." : "") + identifier.value,
    );
    throw new Problem("config", {
      title: "Too many names for one acme-dns account",
      detail: `${names.join(", ")} use the same acme-dns account (${targetOf(first.account)}), which shows ${most} values at a time.`,
      hint: "A name and its wildcard fit together. Give every other name an account and a CNAME of its own (leave username, password and subdomain out), or put the names into several certificates.",
    });
  }
}

function faultOf(
  { validationName = "", recordName = "" }: Target,
  account: Account,
): string | undefined {
  if (isTarget(account, recordName)) return undefined;
  return recordName === validationName
    ? `${validationName} has no CNAME; it has to lead to ${targetOf(account)}`
    : `The CNAME of ${validationName} leads to ${recordName}., not to ${targetOf(account)}`;
}

function lineFor({ validationName = "" }: Target, account: Account): string {
  return `${validationName}. CNAME ${targetOf(account)}`;
}
