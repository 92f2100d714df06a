/** An account on an acme-dns server: the right to set the two TXT values of one name. */

export interface Account {
  /** Where the CNAME has to lead, without trailing dot; undefined when only the first label is known. */
  readonly fulldomain: string | undefined;
  readonly subdomain: string;
  readonly username: string;
  readonly password: string;
  /** URL of the API that issued it, where that was noted. */
  readonly server: string | undefined;
}

/** The account in the JSON of `/register`, of lego and of cert-manager; undefined when it is none. */
export function accountFrom(value: unknown): Account | undefined {
  if (!isRecord(value)) return undefined;
  const { fulldomain, subdomain, username, password, server_url: server } = value;
  if (!isText(subdomain) || !isText(username) || !isText(password)) return undefined;
  return {
    fulldomain: isText(fulldomain) ? plainName(fulldomain) : undefined,
    subdomain,
    username,
    password,
    server: isText(server) ? server : undefined,
  };
}

/** The same as lego writes it. */
export function recordOf({ fulldomain, subdomain, username, password, server }: Account): object {
  return {
    fulldomain: fulldomain ?? "",
    subdomain,
    username,
    password,
    server_url: server ?? "",
  };
}

/** Does a CNAME that ends at `name` lead to this account? */
export function isTarget(account: Account, name: string): boolean {
  const at = plainName(name);
  return account.fulldomain === undefined
    ? at.split(".")[0] === account.subdomain.toLowerCase()
    : at === plainName(account.fulldomain);
}

/** The account's name for people. */
export function targetOf({ fulldomain, subdomain }: Account): string {
  return `${fulldomain ?? `${subdomain}.<the acme-dns server's domain>`}.`;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
