/** dns-01 by an acme-dns server: the zone itself gets one CNAME, once, and is never written to. */
import { defineSolver, Problem, type OptionsOf } from "acmectl/plugin";
import type { Account } from "./account.ts";
import { apiOf } from "./api.ts";
import { fileBook, stateBook } from "./book.ts";
import { delegatedSolver } from "./solver.ts";

const options = {
  server: {
    type: "url",
    env: ["ACME_DNS_API_BASE", "ACMEDNS_BASE_URL"],
    placeholder: "URL",
    description:
      "The acme-dns server's API, for accounts to register and for those that do not name theirs.",
  },
  storage: {
    type: "path",
    env: ["ACME_DNS_STORAGE_PATH"],
    placeholder: "FILE",
    description:
      "A JSON file of accounts, as lego and cert-manager keep them; acmectl's own state when absent.",
  },
  allowlist: {
    type: "list",
    env: ["ACME_DNS_ALLOWLIST"],
    placeholder: "CIDR",
    description:
      "Networks that may use accounts registered from now on, e.g. 192.0.2.0/24; every one when absent.",
  },
  username: {
    type: "string",
    env: ["ACMEDNS_USERNAME"],
    description:
      "The user of one account for all names, instead of one account for each; needs password and subdomain.",
  },
  password: {
    type: "string",
    secret: true,
    env: ["ACMEDNS_PASSWORD"],
    description: "The password of that account.",
  },
  subdomain: {
    type: "string",
    env: ["ACMEDNS_SUBDOMAIN"],
    description: "The subdomain of that account.",
  },
  fulldomain: {
    type: "string",
    description: "The whole name of that account, to compare with the CNAMEs to the last label.",
  },
  timeout: {
    type: "duration",
    default: 30_000,
    min: 100,
    description: "How long to wait for one answer of the server.",
  },
} as const;

export default defineSolver({
  summary: "dns-01 by an acme-dns server to which _acme-challenge is a CNAME",
  challengeTypes: ["dns-01"],
  // Who waits for a slot of an account must not keep others from giving theirs back.
  concurrency: 32,
  options,
  create(options, { log, state }) {
    const { storage, server, allowlist, timeout } = options;
    return delegatedSolver({
      book: storage === undefined ? stateBook(state) : fileBook(storage, log),
      fixed: fixedAccount(options),
      server,
      allowlist: allowlist ?? [],
      api: apiOf(timeout, log),
      log,
    });
  },
});

function fixedAccount({
  username,
  password,
  subdomain,
  fulldomain,
}: OptionsOf<typeof options>): Account | undefined {
  const parts = { username, password, subdomain };
  const missing = Object.entries(parts).flatMap(([name, value]) =>
    value === undefined ? [name] : [],
  );
  if (missing.length === 3 && fulldomain === undefined) return undefined;
  if (username !== undefined && password !== undefined && subdomain !== undefined) {
    return { username, password, subdomain, fulldomain, server: undefined };
  }
  throw new Problem("config", {
    detail: `The acme-dns solver's account is incomplete: ${missing.join(", ")} missing.`,
    hint: "Give username, password and subdomain as the server's /register returned them, or none of them.",
  });
}
