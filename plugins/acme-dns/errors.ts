/** What a failure of the server, or of the stored accounts, means, and what to do. */
import { Problem } from "acmectl/plugin";
import { codeOf, messageOf, oneLine, systemReason, textOf } from "acmectl/plugin/http";

/** An account serves the last two values that it was given. */
export const maxValues = 2;

export interface ApiResponse {
  readonly status: number;
  /** Undefined if the body is not JSON. */
  readonly json: unknown;
}

export function unreachable(url: string, error: unknown): Problem {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const timedOut = error instanceof Error && error.name === "TimeoutError";
  const reason = timedOut ? "no response in time" : codeOf(cause) || messageOf(cause);
  return new Problem("network", {
    detail: `Cannot reach the acme-dns server at ${url}: ${reason}.`,
    hint: "Check the URL of the server (option server, server_url in the account), that it runs, and that firewalls allow the connection.",
    cause: error,
  });
}

export function redirected(url: string, location: string | null): Problem {
  return new Problem("config", {
    detail: `The acme-dns server at ${url} redirects to ${JSON.stringify(oneLine(location ?? ""))}. acmectl does not follow, to protect the password of the account.`,
    hint: "If that is the server, set its URL as the option server (server_url in the account).",
  });
}

export function notRegistered(
  server: string,
  response: ApiResponse,
  allowlist: readonly string[],
): Problem {
  const { status, json } = response;
  if (textOf(json, "error") === "invalid_allowfrom_cidr")
    return new Problem("config", {
      detail: `The acme-dns server at ${server} rejects the allowlist ${allowlist.join(", ")} (invalid_allowfrom_cidr).`,
      hint: "Write networks as ADDRESS/BITS, a single address as 192.0.2.1/32.",
    });
  return new Problem("solver", {
    title: "Cannot register an acme-dns account",
    detail: `The acme-dns server at ${server} did not register an account: ${summary(response)}.`,
    hint:
      status === 404 || status === 405
        ? "Check that the URL is that of an acme-dns API. If registration is disabled (disable_registration), ask the operator for an account and add it to the accounts file (storage), or set username, password and subdomain."
        : "Check the log of the server.",
    retryable: status >= 500,
  });
}

/** `name` is that of the account. */
export function notUpdated(server: string, name: string, response: ApiResponse): Problem {
  const { status } = response;
  if (status === 401)
    return new Problem("solver", {
      title: "acme-dns account refused",
      detail: `The acme-dns server at ${server} refuses ${name}: ${summary(response)}.`,
      hint: "Check three things, since the server does not say which is wrong: username and password, that the subdomain belongs to this account, and that this machine's address is in the allowlist of the account (allowfrom).",
      retryable: false,
    });
  return new Problem("solver", {
    detail: `The acme-dns server at ${server} did not set the value for ${name}: ${summary(response)}.`,
    hint:
      status >= 500
        ? "Check the log of the server; its database may have failed."
        : "Check that the option server (server_url in the account) is the API of an acme-dns server.",
    retryable: status >= 500 || status === 429,
  });
}

function summary({ status, json }: ApiResponse): string {
  const error = textOf(json, "error");
  if (error !== undefined) return `${status} ${oneLine(error)}`;
  return `HTTP status ${status}, ${json === undefined ? "not JSON" : "not an acme-dns response"}`;
}

export function accountNotSaved(place: string, name: string): Problem {
  return new Problem("machine", {
    title: "acme-dns account not saved",
    detail: `Cannot save the acme-dns account of ${name} in ${place}: other processes keep overwriting it.`,
    hint: "Find out which process writes there, and run this again; it will register a new account.",
  });
}

export function accountsDamaged(place: string, reason: string): Problem {
  return new Problem("config", {
    title: "acme-dns accounts unusable",
    detail: `Cannot use the acme-dns accounts in ${place}: ${reason}.`,
    hint: 'Fix it by hand: {"example.com": {"fulldomain": "…", "subdomain": "…", "username": "…", "password": "…", "server_url": "…"}}. A name that loses its account needs a new CNAME.',
  });
}

export function accountsUnusable(
  action: "read" | "written",
  path: string,
  cause: unknown,
): Problem {
  return new Problem("machine", {
    title: "acme-dns accounts unusable",
    detail: `The acme-dns accounts in ${path} cannot be ${action}: ${systemReason(cause)}.`,
    hint: `Allow this user to read and write ${path} and to create files in its folder, or use another file (storage).`,
    cause,
  });
}

export function serverMissing(action: string): Problem {
  return new Problem("config", {
    title: "No acme-dns server",
    detail: `The acme-dns solver cannot ${action}: no server is set.`,
    hint: "Set the URL of your acme-dns server: --acme-dns-server URL, ACME_DNS_API_BASE, or `server` in the config. (https://auth.acme-dns.io is a public one; its operator could issue certificates for your names.)",
  });
}

export function invalidServerUrl(username: string, url: string, place: string): Problem {
  return new Problem("config", {
    detail: `The account ${username} in ${place} has the server_url ${JSON.stringify(url)}, which is not a web address.`,
    hint: "Set it to the URL of the acme-dns API, such as https://auth.example.com.",
  });
}

export function accountMissing(name: string, place: string): Problem {
  return new Problem("config", {
    title: "No acme-dns account",
    detail: `There is no acme-dns account for ${name} in ${place}.`,
    hint: `Run \`acmectl solvers test acme-dns -d ${name}\` to register one; it shows the CNAME to add.`,
  });
}

/** With every missing record in one message. */
export function cnameNeeded(faults: readonly string[], records: readonly string[]): Problem {
  const what = records.length === 1 ? "this record" : `these ${records.length} records`;
  return new Problem("config", {
    title: "CNAME needed",
    detail: faults.join("\n"),
    hint: `Add ${what} to the DNS, once, and run the same command again when visible:\n${records.join("\n")}`,
  });
}

export function tooManyNames(names: readonly string[], target: string): Problem {
  return new Problem("config", {
    title: "Too many names for one acme-dns account",
    detail: `${names.join(", ")} use the same acme-dns account (${target}), which serves only ${maxValues} values at a time.`,
    hint: "Give each name an account and a CNAME of its own (remove username, password and subdomain), or split the names into several certificates. A name and its wildcard can share an account.",
  });
}
