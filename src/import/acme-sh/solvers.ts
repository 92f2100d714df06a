/** How acme.sh answered (`Le_Webroot`), as solvers of acmectl's. */
import { join } from "node:path";
import { type Answering, type FoundSolver, standalone } from "../found.ts";
import { type Conf, savedIn, valueIn } from "./conf.ts";

/** Where acme.sh and its scripts for DNS lie. */
export interface Installation {
  readonly folder: string;
  /** Names such as `dns_inwx`; none where acme.sh itself is not there. */
  readonly scripts: readonly string[];
}

/** One method for each name, in the order of the names; the last one also serves the rest. */
export function solversOf(domain: Conf, account: Conf, installation: Installation): Answering {
  const ways = (valueIn(domain, "Le_Webroot") ?? "").split(",").map((way) => way.trim());
  const names = namesOf(domain);
  const byWay = new Map<string, string[]>();
  for (const [index, name] of names.entries()) {
    const way = ways[Math.min(index, ways.length - 1)] ?? "";
    byWay.set(way, [...(byWay.get(way) ?? []), name]);
  }
  const solvers: FoundSolver[] = [];
  const notes: string[] = [];
  for (const [way, served] of byWay) {
    const solver = solverOf(way, domain, account, installation);
    const select = byWay.size === 1 ? undefined : { names: served };
    if (typeof solver === "string") {
      notes.push(`For ${served.join(", ")} ${solver}`);
      continue;
    }
    solvers.push({ ...solver, select });
    if (solver.use === "exec") {
      notes.push(`The script ${way} of acme.sh still answers: keep ${installation.folder}.`);
    }
  }
  return { solvers, notes };
}

function namesOf(domain: Conf): readonly string[] {
  const others = (valueIn(domain, "Le_Alt") ?? "no").split(",");
  return [valueIn(domain, "Le_Domain") ?? "", ...others]
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "no");
}

/** A solver, or why there is none. */
function solverOf(
  way: string,
  domain: Conf,
  account: Conf,
  { folder, scripts }: Installation,
): FoundSolver | string {
  if (way === "no" || way === "")
    return standalone(valueIn(domain, "Le_HTTPPort"), valueIn(domain, "Le_LocalAddress"));
  if (way === "alpn")
    return standalone(
      valueIn(domain, "Le_TLSPort"),
      valueIn(domain, "Le_LocalAddress"),
      "tls-alpn",
    );
  if (way.startsWith("/")) return { use: "webroot", options: { directory: { value: way } } };
  const known = equivalents[way];
  if (known !== undefined) return dnsSolver(known, domain, account);
  if (scripts.includes(way)) return scriptSolver(way, folder);
  return `acme.sh answered ${answers[way.replace(/:.*$/, "")] ?? `by ${way}`}, for which acmectl has no equivalent: import again with --solver NAME (\`acmectl solvers list\` shows them), or --webroot DIR.`;
}

const answers: Readonly<Record<string, string>> = {
  nginx: "by changing the configuration of nginx",
  apache: "by changing the configuration of Apache",
  stateless: "by a web server that knows the account's thumbprint",
  dns: "by a DNS record that a person made",
};

/** Runs the script itself, with the credentials that acme.sh keeps for it. */
function scriptSolver(way: string, folder: string): FoundSolver {
  return {
    use: "exec",
    options: {
      style: { value: "acme.sh" },
      command: { value: [way] },
      acmeSh: { value: join(folder, "acme.sh") },
      env: { value: { LE_WORKING_DIR: folder, LE_CONFIG_HOME: folder } },
    },
  };
}

interface Script {
  readonly use: string;
  /** Variables that the plugin does not declare, and its options. */
  readonly others?: Readonly<Record<string, string>>;
}

const equivalents: Readonly<Record<string, Script>> = {
  dns_cf: { use: "cloudflare" },
  dns_aws: {
    use: "route53",
    others: { AWS_ACCESS_KEY_ID: "accessKeyId", AWS_SECRET_ACCESS_KEY: "secretAccessKey" },
  },
  dns_nsupdate: { use: "rfc2136" },
  dns_dgon: { use: "digitalocean" },
  dns_acmedns: { use: "acme-dns" },
  dns_azure: {
    use: "azure",
    others: {
      AZUREDNS_SUBSCRIPTIONID: "subscriptionId",
      AZUREDNS_TENANTID: "tenantId",
      AZUREDNS_APPID: "clientId",
      AZUREDNS_CLIENTSECRET: "clientSecret",
    },
  },
  dns_gcloud: { use: "google" },
};

function dnsSolver({ use, others = {} }: Script, domain: Conf, account: Conf): FoundSolver {
  const saved = (variable: string) => savedIn([domain, account], variable);
  const entries = Object.entries(others).map(([variable, option]) => [option, saved(variable)]);
  return { use, options: Object.fromEntries(entries), saved };
}
