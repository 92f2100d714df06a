import { dateOf } from "../dates.ts";
import { describeHeld } from "../status/describe.ts";
import { Problem } from "../problem.ts";
import { type Block, heading, line, type Result, table } from "../result.ts";
import type { CertificateFiles } from "../state/store.ts";
import type { SolverSetting } from "../certificate.ts";
import type { TakenAccount } from "./accounts.ts";
import type { FoundCertificate, Left } from "./found.ts";
import type { Material } from "./material.ts";
import type { TakenCertificate } from "./take.ts";

export interface ImportedCertificate extends TakenCertificate {
  readonly found: FoundCertificate;
  readonly material: Material;
  readonly solvers: readonly SolverSetting[];
  readonly notes: readonly string[];
  readonly files: CertificateFiles | undefined;
}
export interface Imported {
  readonly folder: string;
  readonly accounts: readonly (TakenAccount & { readonly notes: readonly string[] })[];
  readonly certificates: readonly ImportedCertificate[];
  readonly left: readonly Left[];
}

/** What was imported, what was not and why, and the next steps. `stop`: how to stop the other client's own renewals. */
export function reportImport(
  { name, stop }: { readonly name: string; readonly stop: string },
  imported: Imported,
  dryRun: boolean,
  now: Date,
): Result {
  const { folder, accounts, certificates, left } = imported;
  const nothing = nothingImported(imported);
  const problem = nothing ?? problemOf(certificates);
  const done = [...accounts, ...certificates].map(({ outcome }) => outcome);
  const changed = done.some((outcome) => outcome === "taken" || outcome === "updated");
  const steps = nextSteps(stop, certificates);
  return {
    exitCode: problem?.exitCode ?? 0,
    document: {
      outcome: !changed ? "unchanged" : dryRun ? "planned" : "imported",
      client: name,
      folder,
      dryRun,
      accounts: accounts.map(({ account, outcome, notes }) => ({
        directory: account.directory,
        id: account.id,
        url: account.url,
        outcome,
        source: account.source,
        notes,
      })),
      certificates: certificates.map((one) => documentOf(one, now)),
      left,
      nextSteps: steps,
    },
    // The problem names what was not imported, and why.
    view:
      nothing !== undefined
        ? []
        : [
            headline(name, imported, { dryRun, changed }),
            ...tableOf(imported),
            ...section("Not imported, and notes", notesOf(imported)),
            ...section("Next", certificates.length === 0 ? [] : steps),
          ],
    problem,
  };
}

function documentOf(one: ImportedCertificate, now: Date): Record<string, unknown> {
  const { found, material, solvers, outcome, held, files, notes } = one;
  const known =
    held === undefined
      ? {
          name: found.name,
          outcome,
          identifiers: material.identifiers,
          directory: found.directory,
          serial: material.certificate?.serial,
          notAfter: material.certificate?.notAfter.toISOString(),
        }
      : describeHeld({ name: found.name }, held, files, outcome, now).document;
  return { ...known, source: found.source, solvers: solvers.map(({ use }) => use), notes };
}

function headline(
  client: string,
  { folder, accounts, certificates, left }: Imported,
  { dryRun, changed }: { dryRun: boolean; changed: boolean },
): Block {
  if (accounts.length + certificates.length + left.length === 0)
    return line(`${folder} contains no accounts and certificates of ${client}.`, "warn");
  if (!changed) {
    const all = left.length === 0 ? "Everything" : "Everything else";
    return line(`${all} in ${folder} was imported before.`);
  }
  const text = dryRun
    ? `Would be imported from ${client} (${folder}); nothing was written.`
    : `Imported from ${client} (${folder}), which was not changed.`;
  return line(text, "good");
}

function tableOf({ accounts, certificates }: Imported): readonly Block[] {
  const rows = [
    ...accounts.map(({ account: { url, id, directory }, outcome }) => [
      "account",
      url ?? id,
      outcome,
      directory,
    ]),
    ...certificates.map((one) => ["certificate", one.found.name, one.outcome, detailOf(one)]),
  ];
  return rows.length === 0 ? [] : [table(["WHAT", "NAME", "OUTCOME", "DETAIL"], rows)];
}

function detailOf({ material, solvers }: ImportedCertificate): string {
  const names = material.identifiers.map(({ value }) => value).join(", ");
  const by = `by ${solvers.map(({ use }) => use).join(", ") || "no solver: not ready"}`;
  const end = material.certificate?.notAfter.toISOString().slice(0, 10);
  return `${names}; ${by}${end === undefined ? "" : `; until ${end}`}`;
}

function notesOf({ accounts, certificates, left }: Imported): readonly string[] {
  const all = [
    ...left.map(({ what, why }) => `${what}: ${why}`),
    ...accounts.flatMap(({ account, notes }) => notes.map((note) => `${account.source}: ${note}`)),
    ...certificates.flatMap(({ found, notes }) => notes.map((note) => `${found.name}: ${note}`)),
  ];
  return [...new Set(all)];
}

function section(title: string, lines: readonly string[]): readonly Block[] {
  return lines.length === 0 ? [] : [heading(title), ...lines.map((text) => line(`- ${text}`))];
}

function nextSteps(stop: string, certificates: readonly ImportedCertificate[]): readonly string[] {
  const first = certificates.find(({ files }) => files !== undefined)?.files;
  const paths =
    first === undefined ? "shown by `acmectl status NAME`" : `such as ${first.fullchain}`;
  return [
    "See when each is due: acmectl plan. Try one now: acmectl renew NAME --force",
    `Point your servers to acmectl's files (${paths}); the other client no longer renews its own.`,
    stop,
    "Schedule renewals: acmectl schedule install",
  ];
}

/** The folder has something for each of which there is a reason not to import it. */
function nothingImported({ folder, accounts, certificates, left }: Imported): Problem | undefined {
  if (accounts.length + certificates.length > 0 || left.length === 0) return undefined;
  return new Problem("config", {
    title: "Nothing was imported",
    detail: `Nothing in ${folder} could be imported, for ${left.length === 1 ? "this reason" : "these reasons"}:\n${left.map(({ what, why }) => `${what}: ${why}`).join("\n")}`,
    hint: "Fix what is named above, and run the import as a user who may read every file of the folder.",
  });
}

/** Certificates of the same name that are held from elsewhere. */
function problemOf(certificates: readonly ImportedCertificate[]): Problem | undefined {
  const refused = certificates.filter(({ outcome }) => outcome === "refused");
  if (refused.length === 0) return undefined;
  const details = refused.map(({ found, held }) =>
    held === undefined
      ? `${found.name} exists already, with other settings`
      : `${found.name} exists already (serial ${held.meta.serial}, from ${held.meta.directory}, until ${dateOf(held.meta.notAfter)})`,
  );
  return new Problem(refused.length === certificates.length ? "usage" : "partial", {
    title: "Certificates of the same name come from elsewhere",
    detail: `${details.join("; ")}. Nothing was replaced.`,
    hint: "Replace it with --force, or delete the existing one first (acmectl delete NAME).",
  });
}
