/** How control of the names can be proven here, the best way first. */
import type { Choice, Question } from "./conversation.ts";
import type { Findings, FoundZone, PortState } from "./findings.ts";
import { type FoundServer, serves } from "./findings/site.ts";
import { type Known, namesOf } from "./known.ts";

export function proofQuestion(known: Known): Question | undefined {
  const { given, earlier, findings } = known;
  const { solver, standalone, tlsAlpn, webroot, dns } = given;
  if ((solver ?? standalone ?? tlsAlpn ?? webroot ?? dns) !== undefined) return undefined;
  const names = namesOf(known);
  const options = waysTo(names, findings);
  const wanted = options.find(({ value }) => value === earlier.proof) ?? options[0];
  return {
    kind: "choice",
    message: "How should acmectl prove that the names are yours?",
    note: noteOn(names, findings),
    options,
    initial: wanted?.value,
  };
}

/** By name, the folder that a web server serves for it; undefined unless all names have one. */
export function rootsOf(
  names: readonly string[],
  servers: readonly FoundServer[],
): ReadonlyMap<string, string> | undefined {
  const sites = servers.flatMap((one) => one.sites);
  const found = names.map((name) => {
    const site = sites.find((one) => one.root !== undefined && serves(one, name));
    return [name, site?.root] as const;
  });
  const known = found.flatMap(([name, root]) =>
    root === undefined ? [] : [[name, root] as const],
  );
  return names.length > 0 && known.length === names.length ? new Map(known) : undefined;
}

function waysTo(names: readonly string[], findings: Findings): readonly Choice[] {
  const { servers, port80, zone, credentials } = findings;
  const dns = dnsChoices(zone, credentials);
  // Only dns-01 proves a wildcard (RFC 8555 §7.1.3).
  if (names.some(isWildcard)) return dns.length > 0 ? dns : allDns();
  const roots = rootsOf(names, servers);
  const folders = [...new Set(roots?.values())].join(", ");
  const sites = {
    value: "sites",
    label: "By the web server that runs here",
    hint: `in ${folders}`,
  };
  const standalone = {
    value: "standalone",
    label: "By acmectl itself, on port 80",
    hint: `the port is ${portWords[port80]}`,
  };
  const webroot = { value: "webroot", label: "By a web server, in a folder that you name" };
  const alpn = { value: "tls-alpn", label: "By acmectl itself, on port 443" };
  const others = port80 === "free" ? [standalone, webroot, alpn] : [webroot, alpn, standalone];
  return [...(roots === undefined ? [] : [sites]), ...others, ...dns];
}

function dnsChoices(
  zone: FoundZone | undefined,
  credentials: Findings["credentials"],
): readonly Choice[] {
  const hosted = zone?.provider?.solver;
  const solvers = [...(hosted === undefined ? [] : [hosted]), ...Object.keys(credentials)];
  return [...new Set(solvers)]
    .filter((solver) => dnsSolvers.includes(solver))
    .map((solver) => {
      const variables = credentials[solver];
      const set = variables === undefined ? [] : [`${variables.join(", ")} set`];
      const hosts = solver === hosted ? [`hosts ${zone?.name}`] : [];
      return {
        value: solver,
        label: `By DNS, with ${solver}`,
        hint: [...hosts, ...set].join("; "),
      };
    });
}

/** Those that find their credentials, or need no more than one reference. */
const dnsSolvers = [
  "cloudflare",
  "route53",
  "azure",
  "google",
  "digitalocean",
  "rfc2136",
  "acme-dns",
];

function allDns(): readonly Choice[] {
  return dnsSolvers.slice(0, 5).map((value) => ({ value, label: `By DNS, with ${value}` }));
}

function isWildcard(name: string): boolean {
  return name.startsWith("*.");
}

const portWords: Readonly<Record<PortState, string>> = {
  free: "free",
  "in use": "in use by a server",
  "not permitted": "only for root",
};

function noteOn(names: readonly string[], { servers, port80, zone }: Findings): string {
  const found = servers.map(({ kind, sites }) => {
    const names = sites.flatMap((site) => site.names);
    return names.length === 0 ? kind : `${kind} (${[...new Set(names)].join(", ")})`;
  });
  const provider = zone?.provider;
  const recipe =
    provider === undefined || provider.solver !== undefined
      ? ""
      : `; docs/providers.md has a recipe for ${provider.name}`;
  return [
    `Servers found: ${found.length === 0 ? "none" : found.join(", ")}`,
    `Port 80: ${portWords[port80]}`,
    zone === undefined
      ? "DNS zone: not found"
      : `DNS zone: ${zone.name}${provider === undefined ? "" : ` at ${provider.name}`}${recipe}`,
    ...(names.some(isWildcard) ? ["A wildcard can only be proven by DNS."] : []),
  ].join("\n");
}

/** The token that a solver needs and cannot find by itself. */
export function credentialOf(
  solver: string | undefined,
): { readonly option: string; readonly label: string } | undefined {
  return solver === undefined ? undefined : tokens[solver];
}

const tokens: Readonly<Record<string, { readonly option: string; readonly label: string }>> = {
  cloudflare: { option: "apiToken", label: "API token of Cloudflare" },
  digitalocean: { option: "token", label: "API token of DigitalOcean" },
};
