import { persistDemand, persistValue } from "../../acme/account-records.ts";
import { parseIdentifiers } from "../../acme/identifiers.ts";
import { thumbprint } from "../../acme/keys.ts";
import type { CertificateRequest } from "../../certificate.ts";
import { usableAccount, withAccount, type AccountWork } from "../../issuer/account.ts";
import { publish, type NewRecord } from "../../issue/proof/publish.ts";
import type { OptionDeclarations, OptionsOf } from "../../options/declaration.ts";
import { directoryFlags, newKey } from "../../options/declared/account.ts";
import { certificateFlags, solverFlags, visibilityFlags } from "../../options/declared/request.ts";
import { dateForm, parseDate } from "../../options/date.ts";
import { parseDuration } from "../../options/duration.ts";
import type { Identifier } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { dnsSetting } from "../../request/compose.ts";
import { readNewKey } from "../../request/given-file.ts";
import { solverSettings } from "../../request/solvers.ts";
import { fields, line, verbatim, type Block } from "../../result.ts";
import { defineCommand } from "../command.ts";

const { selfCheck: _, selfCheckAt: __, ...looks } = visibilityFlags;

const options = {
  ...directoryFlags,
  domains: { ...certificateFlags.domains, required: true, description: "Name to be proven." },
  wildcard: {
    type: "boolean",
    description: "Allow wildcards and names below, too; implied by a name with *.",
  },
  until: {
    type: "string",
    description: "End of the record: a time from now such as 365d, or a date.",
    placeholder: "TIME",
  },
  format: {
    type: "string",
    choices: ["text", "zone", "terraform"],
    default: "text",
    description: "Output format: for people, a zone file, or Terraform.",
    placeholder: "FORMAT",
  },
  newKey,
  apply: { type: "boolean", description: "Write the records with a dns-01 solver." },
  solver: solverFlags.solver,
  dns: solverFlags.dns,
  ...looks,
} as const satisfies OptionDeclarations;

type Flags = OptionsOf<typeof options>;

export const command = defineCommand({
  name: "account persist",
  summary: "Show or write the DNS records that allow this account to prove names (dns-persist-01)",
  description:
    "The records stay: `acmectl issue --challenge dns-persist-01` and renewals then need no DNS credentials. The account must be registered.",
  examples: [
    "acmectl account persist -d example.com -d '*.example.com'",
    "acmectl account persist -d example.com --until 365d --format zone",
    "acmectl account persist -d example.com --apply --solver cloudflare",
  ],
  options,
  solverFlags: true,
  async run(flags, context) {
    const names = recordNames(flags);
    const until = endOf(flags.until, context.clock.now());
    return withAccount(flags, context, async (work) => {
      const records = await recordsOf(names, until, flags.newKey, work);
      if (flags.apply === true) await publish(records, await writerOf(flags, work), work.tools);
      const document = {
        outcome: flags.apply === true ? "published" : "shown",
        records: records.map(({ demand, value }) => ({
          identifier: demand.identifier.value,
          name: demand.validationName,
          type: "TXT",
          value,
          until: until?.toISOString(),
        })),
      };
      return { document, view: viewOf(records, flags) };
    });
  },
});

/** One record is for a name, and for its wildcard. */
function recordNames({ domains, wildcard }: Flags): ReadonlyMap<string, boolean> {
  const names = new Map<string, boolean>();
  for (const { type, value } of parseIdentifiers(domains)) {
    if (type === "ip") {
      throw new Problem("usage", {
        detail: `${value} is an IP address, and dns-persist-01 proves DNS names only.`,
        hint: "Leave it out; an IP address needs http-01 or tls-alpn-01.",
      });
    }
    const name = value.replace(/^\*\./, "");
    names.set(name, wildcard === true || name !== value || names.get(name) === true);
  }
  return names;
}

function endOf(text: string | undefined, now: Date): Date | undefined {
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  const end = duration === undefined ? parseDate(text) : new Date(now.getTime() + duration);
  if (end !== undefined && end > now) return end;
  throw new Problem("usage", {
    detail: `--until: "${text}" is not a time in the future.`,
    hint: `${dateForm}, or a time from now such as 365d.`,
  });
}

async function recordsOf(
  names: ReadonlyMap<string, boolean>,
  until: Date | undefined,
  newKeyFile: string | undefined,
  { issuer, context, tools }: AccountWork,
): Promise<readonly NewRecord[]> {
  const { key, url = "" } = await usableAccount(issuer, context);
  const directory = await tools.ca.directory(tools.signal);
  // Last, since a new key is written to the file.
  const newKey = newKeyFile === undefined ? key : await readNewKey(newKeyFile);
  const holder = { url, thumbprint: thumbprint(newKey) };
  return [...names].map(([value, wildcard]) => {
    const identifier: Identifier = { type: "dns", value };
    const demand = persistDemand({ identifier, wildcard }, holder, directory);
    return { demand, value: persistValue(demand, { wildcard, until }) };
  });
}

async function writerOf(
  flags: Flags,
  { issuer, context }: AccountWork,
): Promise<CertificateRequest> {
  const config = await context.config();
  const chosen = { ...unset, solver: flags.solver, dns: flags.dns };
  return {
    name: "persist",
    identifiers: [],
    keyType: "ec256",
    reuseKey: false,
    issuer,
    labels: {},
    solvers: await solverSettings(chosen, config.defaults.solvers, issuer, config, context),
    dns: dnsSetting(flags, config.dns),
    outputs: {},
    hooks: {},
  };
}

const unset = {
  standalone: undefined,
  tlsAlpn: undefined,
  webroot: undefined,
  challenge: "dns-01",
} as const;

function viewOf(records: readonly NewRecord[], { format, apply }: Flags): readonly Block[] {
  if (format === "zone") return [verbatim(records.map(zoneLine).join(""))];
  if (format === "terraform") return [verbatim(terraform(records))];
  const all = records.length === 1 ? "The record is" : `All ${records.length} records are`;
  const what =
    apply === true
      ? line(`${all} written and visible at every name server asked.`, "good")
      : line("Add to the zone, and keep other values at these names:");
  return [
    what,
    ...records.map(({ demand, value }) =>
      fields([
        ["Name", demand.validationName],
        ["Type", "TXT"],
        ["Value", value],
      ]),
    ),
  ];
}

/** A TXT record is made of texts of at most 255 bytes (RFC 1035 §3.3.14). */
function zoneLine({ demand, value }: NewRecord): string {
  const texts = (value.match(/.{1,255}/g) ?? []).map((text) => JSON.stringify(text));
  return `${demand.validationName}. 3600 IN TXT ${texts.join(" ")}\n`;
}

/** For any provider, with the marks of its templates doubled: `for_each = local.acme_persist_records`. */
function terraform(records: readonly NewRecord[]): string {
  const entries = records.map(
    ({ demand, value }) =>
      `    ${JSON.stringify(demand.validationName)} = ${JSON.stringify(value).replaceAll(/[$%](?=\{)/g, "$&$&")}\n`,
  );
  return `locals {\n  # TXT records by name, for the record resource of your DNS provider\n  acme_persist_records = {\n${entries.join("")}  }\n}\n`;
}
