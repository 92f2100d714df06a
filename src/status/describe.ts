import type { CertificateRequest } from "../certificate.ts";
import { dateFrom, dateOf } from "../dates.ts";
import { issuerOf } from "../request/drift.ts";
import { deployStatesOf } from "../deploy/steps.ts";
import { type Block, type Entry, fields, heading, line, table } from "../result.ts";
import type { CertificateStatus } from "../state/certificate-status.ts";
import type { CertificateFiles, HeldCertificate } from "../state/store.ts";
import { attemptView } from "./attempt.ts";
import { brokenDocument, brokenLines } from "./broken.ts";
import type { Certificates, KnownCertificate } from "./certificates.ts";
import { conditionsOf } from "./conditions.ts";
import { daneView } from "./dane.ts";
import { dueByLifetime, dueOf } from "./due.ts";
import { hostsDocument, hostsView } from "./hosts.ts";
import { nextQuestion, renewalWindow } from "./renewal-information.ts";
import { solverText, stepOf, timeOf, whenOf } from "./plan.ts";

/** The certificate itself, for machines and for people. Without other information it is due by its lifetime. */
export function describeHeld(
  { name }: Pick<CertificateRequest, "name">,
  { meta }: HeldCertificate,
  files: CertificateFiles | undefined,
  outcome: string,
  now: Date,
  due: Date = dueByLifetime(meta),
): { document: Record<string, unknown>; view: readonly Block[] } {
  const { issuer, serial, notAfter } = meta;
  return {
    document: {
      name,
      outcome,
      identifiers: meta.identifiers,
      added: meta.added,
      temporary: meta.temporary,
      serial,
      fingerprint: meta.fingerprint,
      issuer,
      notBefore: meta.notBefore,
      notAfter,
      dueAt: due.toISOString(),
      directory: meta.directory,
      profile: meta.profile,
      keyType: meta.keyType,
      second: meta.second && {
        keyType: meta.second.keyType,
        serial: meta.second.serial,
        fingerprint: meta.second.fingerprint,
      },
      paths: files,
    },
    view: [
      fields([
        ["Added by the CA", meta.added?.map(({ value }) => value).join(", ")],
        ["Issuer", meta.temporary === true ? "none: a temporary self-signed certificate" : issuer],
        ["Serial", serial],
        ["Valid until", dateFrom(now, notAfter)],
        ["Due for renewal", dateFrom(now, due)],
        ["Certificate", files?.fullchain],
        ["Private key", files?.privateKey],
        ["Second certificate", files?.second?.fullchain],
        ["Second key", files?.second?.privateKey],
      ]),
    ],
  };
}

/** What `status` and `describe` say of certificates, for machines. */
export function documentsOf({ certificates, broken }: Certificates, now: Date) {
  return [...certificates.map((one) => documentOf(one, now)), ...broken.map(brokenDocument)];
}

/** The same for people. */
export function viewsOf(
  { certificates, broken }: Certificates,
  options: { detailed: boolean },
  now: Date,
): readonly Block[] {
  return [
    ...certificates.flatMap((one) => viewOf(one, options, now)),
    ...broken.flatMap(brokenLines),
  ];
}

/** Everything about one certificate as a document. */
export function documentOf(certificate: KnownCertificate, now: Date): Record<string, unknown> {
  const { name, request, status, held, damage, files, pending } = certificate;
  const { csr: _csr, ...remembered } = request;
  const step = stepOf(certificate, now);
  const { action, reason } = step;
  return {
    ...(held === undefined
      ? { name, identifiers: request.identifiers, directory: request.issuer.server }
      : describeHeld(request, held, files, "held", now, dueOf(certificate, now).at).document),
    outcome: held !== undefined ? "held" : damage === undefined ? "missing" : "damaged",
    conditions: conditionsOf(certificate, now),
    next: { action, reason, at: timeOf(step, now)?.toISOString() },
    deploy: deployStatesOf(certificate),
    hosts: hostsDocument(certificate),
    request: remembered,
    status: withoutFalseRetry(status),
    pendingOrder: pending?.orderUrl,
    presented: pending?.presented.length,
  };
}

/** A permanent refusal is not retried when the back-off of that failure ends. */
function withoutFalseRetry(status: CertificateStatus): CertificateStatus {
  return status.retryReason === "permanent" ? { ...status, retryAt: undefined } : status;
}

/** One certificate for people: the certificate, its conditions, the last order as a tree, the last attempt step by step. */
export function viewOf(
  certificate: KnownCertificate,
  { detailed }: { detailed: boolean },
  now: Date,
): readonly Block[] {
  const { name, request, held, files, status } = certificate;
  const ready = conditionsOf(certificate, now).find(({ type }) => type === "Ready");
  return [
    heading(name),
    ...(held === undefined
      ? [line(ready?.message ?? "", "warn")]
      : describeHeld(request, held, files, "held", now, dueOf(certificate, now).at).view),
    fields(requestFields(certificate, now)),
    heading("Conditions"),
    table(
      ["TYPE", "STATUS", "REASON", "MESSAGE"],
      conditionsOf(certificate, now).map(({ type, status, reason, message }) => [
        type,
        status ? "True" : "False",
        reason,
        message,
      ]),
    ),
    ...hostsView(certificate),
    ...daneView(certificate, now),
    ...(detailed ? detailsOf(certificate, now) : []),
    ...(status.lastAttempt === undefined ? [] : attemptView(status.lastAttempt, detailed)),
  ];
}

function requestFields(certificate: KnownCertificate, now: Date): readonly Entry[] {
  const { request, pending } = certificate;
  const step = stepOf(certificate, now);
  const { action, reason } = step;
  return [
    ["Names", request.identifiers.map(({ value }) => value).join(", ")],
    ["CA", issuerOf(request, certificate.held).server],
    ["Other CAs", otherCas(certificate)],
    ["Key", request.csr === undefined ? keysOf(request) : "given by the CSR"],
    ["Solvers", request.solvers.map(solverText).join(", ") || "none"],
    ["Next", action === "none" ? `renew: ${reason}` : `${action}: ${reason}`],
    ["At", whenOf(step, now)],
    ["Open order", pending?.orderUrl, "warn"],
  ];
}

/** Those of the request that did not issue the certificate held, in their order. */
function otherCas({ request, held }: KnownCertificate): string | undefined {
  const { server } = issuerOf(request, held);
  const others = (request.issuers ?? []).filter((one) => one.server !== server);
  return others.length === 0 ? undefined : others.map((one) => one.server).join(", ");
}

function keysOf({ keyType, secondKeyType }: CertificateRequest): string {
  return secondKeyType === undefined ? keyType : `${keyType} and ${secondKeyType}`;
}

/** What is seldom needed: the CA's renewal window, each deploy step, the source of each solver's options. */
function detailsOf(certificate: KnownCertificate, now: Date): readonly Block[] {
  const { request, status, held } = certificate;
  const steps = deployStatesOf(certificate);
  const { lastSuccess } = status;
  const [window, next] = [renewalWindow(certificate), nextQuestion(certificate)];
  const rows = steps.map(({ state, at, step, detail = "" }) => [
    state,
    at === undefined ? "-" : dateOf(at),
    step,
    detail,
  ]);
  const done = [heading("Deploy steps"), table(["STATE", "SINCE", "STEP", "MESSAGE"], rows)];
  return [
    heading("Details"),
    fields([
      ["Fingerprint", held?.meta.fingerprint],
      ["Account", held?.meta.account],
      ["Order", held?.meta.orderUrl],
      ["Version", held?.version.toString()],
      ["Profile", request.profile ?? "the CA's default"],
      ["Requested by", request.fromConfig === true ? "the config file" : "the command line"],
      ["Last success", lastSuccess === undefined ? "never" : dateFrom(now, lastSuccess)],
      ["Failures since", `${status.failures}`],
      ["Renewal window", window && windowOf(window)],
      ["Next ARI check", next && next.getTime() > 0 ? dateFrom(now, next) : undefined],
      ...request.solvers.map(({ name, use, from = "the command line" }): Entry => [
        `Solver ${name}`,
        `${use}, from ${from}`,
      ]),
    ]),
    ...(steps.length === 0 ? [] : done),
  ];
}

function windowOf({ start, end, selected }: { start: string; end: string; selected: string }) {
  return `${dateOf(start)} to ${dateOf(end)}, chosen ${dateOf(selected)}`;
}
