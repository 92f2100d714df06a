import type { CertificateRequest } from "../certificate.ts";
import { dateFrom, dateOf } from "../dates.ts";
import { deployStatesOf } from "../deploy/steps.ts";
import type { Block } from "../result.ts";
import type { CertificateFiles, CertificateStatus, HeldCertificate } from "../state/store.ts";
import { attemptView } from "./attempt.ts";
import type { KnownCertificate } from "./certificates.ts";
import { conditionsOf } from "./conditions.ts";
import { dueByLifetime, dueOf } from "./due.ts";
import { stepOf, timeOf, whenOf } from "./plan.ts";

/** The certificate itself, for machines and for people. Without other information it is due by its lifetime. */
export function describeHeld(
  { name }: Pick<CertificateRequest, "name">,
  { meta }: HeldCertificate,
  files: CertificateFiles | undefined,
  outcome: string,
  now: Date,
  due: Date = dueByLifetime(meta),
): { document: Record<string, unknown>; view: readonly Block[] } {
  const { identifiers, serial, fingerprint, issuer, notBefore, notAfter } = meta;
  const { directory, profile, keyType } = meta;
  const document = {
    name,
    outcome,
    identifiers,
    serial,
    fingerprint,
    issuer,
    notBefore,
    notAfter,
    dueAt: due.toISOString(),
    directory,
    profile,
    keyType,
    paths: files,
  };
  const fields: Block = {
    kind: "fields",
    entries: [
      ["Issuer", issuer],
      ["Serial", serial],
      ["Valid until", dateFrom(now, notAfter)],
      ["Due for renewal", dateFrom(now, due)],
      ...(files === undefined ? [] : [["Certificate", files.fullchain] as const]),
      ...(files?.privateKey === undefined ? [] : [["Private key", files.privateKey] as const]),
    ],
  };
  return { document, view: [fields] };
}

/** Everything about one certificate as a document. */
export function documentOf(certificate: KnownCertificate, now: Date): Record<string, unknown> {
  const { name, request, status, held, files, pending } = certificate;
  const { csr: _csr, ...remembered } = request;
  return {
    ...(held === undefined
      ? { name, identifiers: request.identifiers, directory: request.issuer.server }
      : describeHeld(request, held, files, "held", now, dueOf(certificate, now).at).document),
    outcome: held === undefined ? "missing" : "held",
    conditions: conditionsOf(certificate, now),
    next: nextOf(certificate, now),
    deploy: deployStatesOf(certificate),
    request: remembered,
    status: withoutFalseRetry(status),
    pendingOrder: pending?.orderUrl,
    presented: pending?.presented.length,
  };
}

/** A permanent refusal is not retried when the back-off of that failure ends. */
function withoutFalseRetry(status: CertificateStatus): CertificateStatus {
  if (status.retryReason !== "permanent") return status;
  const { retryAt: _, ...kept } = status;
  return kept;
}

/** What the next run will do, and when. */
function nextOf(certificate: KnownCertificate, now: Date) {
  const step = stepOf(certificate, now);
  const { action, reason } = step;
  return { action, reason, at: timeOf(step, now)?.toISOString() };
}

/** One certificate for people: the certificate, its conditions, the last order as a tree, the last attempt step by step. */
export function viewOf(
  certificate: KnownCertificate,
  { detailed }: { detailed: boolean },
  now: Date,
): readonly Block[] {
  const { name, request, held, files, status } = certificate;
  return [
    { kind: "heading", text: name },
    ...(held === undefined
      ? [{ kind: "line", text: "No certificate has been issued yet.", tone: "warn" } as const]
      : describeHeld(request, held, files, "held", now, dueOf(certificate, now).at).view),
    { kind: "fields", entries: requestFields(certificate, now) },
    { kind: "heading", text: "Conditions" },
    {
      kind: "table",
      columns: ["TYPE", "STATUS", "REASON", "MESSAGE"],
      rows: conditionsOf(certificate, now).map(({ type, status, reason, message }) => [
        type,
        status ? "True" : "False",
        reason,
        message,
      ]),
    },
    ...(detailed ? detailsOf(certificate, now) : []),
    ...(status.lastAttempt === undefined ? [] : attemptView(status.lastAttempt, detailed)),
  ];
}

function requestFields(certificate: KnownCertificate, now: Date) {
  const { request, pending } = certificate;
  const step = stepOf(certificate, now);
  const { action, reason } = step;
  return [
    ["Names", request.identifiers.map(({ value }) => value).join(", ")],
    ["CA", request.issuer.server],
    ["Key", request.csr === undefined ? request.keyType : "given by the CSR"],
    ["Solvers", request.solvers.map(({ name }) => name).join(", ")],
    ["Next", action === "none" ? `renew: ${reason}` : `${action}: ${reason}`],
    ["At", whenOf(step, now)],
    ...(pending?.orderUrl === undefined ? [] : [["Open order", pending.orderUrl, "warn"] as const]),
  ] as const;
}

/** What is seldom needed: the CA's renewal window, each deploy step, the source of each solver's options. */
function detailsOf(certificate: KnownCertificate, now: Date): readonly Block[] {
  const { request, status, held } = certificate;
  const steps = deployStatesOf(certificate);
  const { ari } = status;
  return [
    { kind: "heading", text: "Details" },
    {
      kind: "fields",
      entries: [
        ...(held === undefined ? [] : versionFields(held)),
        ["Profile", request.profile ?? "the CA's default"],
        ["Requested by", request.fromConfig === true ? "the config file" : "the command line"],
        [
          "Last success",
          status.lastSuccess === undefined ? "never" : dateFrom(now, status.lastSuccess),
        ],
        ["Failures since", `${status.failures}`],
        ...(ari?.window === undefined ? [] : [["Renewal window", windowOf(ari.window)] as const]),
        ...(ari === undefined ? [] : [["Next ARI check", dateFrom(now, ari.nextCheck)] as const]),
        ...request.solvers.map(
          ({ name, use, from = "the command line" }) =>
            [`Solver ${name}`, `${use}, from ${from}`] as const,
        ),
      ],
    },
    ...(steps.length === 0
      ? []
      : ([
          { kind: "heading", text: "Deploy steps" },
          {
            kind: "table",
            columns: ["STATE", "SINCE", "STEP", "MESSAGE"],
            rows: steps.map(({ state, at, step, detail = "" }) => [
              state,
              at === undefined ? "-" : dateOf(at),
              step,
              detail,
            ]),
          },
        ] as const)),
  ];
}

function versionFields({ meta, version }: HeldCertificate) {
  return [
    ["Fingerprint", meta.fingerprint],
    ["Account", meta.account],
    ["Order", meta.orderUrl],
    ["Version", `${version}`],
  ] as const;
}

function windowOf({ start, end, selected }: { start: string; end: string; selected: string }) {
  return `${dateOf(start)} to ${dateOf(end)}, chosen ${dateOf(selected)}`;
}
