import { deployStatesOf } from "../deploy/steps.ts";
import type { Block, Tone } from "../result.ts";
import type { AttemptAuthorization, AttemptChallenge, CertificateStatus } from "../state/store.ts";
import { conditionsOf, type Condition } from "./conditions.ts";
import { describeHeld } from "./describe.ts";
import { dueOf } from "./due.ts";
import type { KnownCertificate } from "./known.ts";
import { stepOf, timeOf, whenOf } from "./plan.ts";

type Attempt = NonNullable<CertificateStatus["lastAttempt"]>;

/** Everything about one certificate as a document. */
export function documentOf(certificate: KnownCertificate, now: Date): Record<string, unknown> {
  const { name, request, status, held, pending } = certificate;
  const { csr: _csr, ...remembered } = request;
  return {
    ...(held === undefined
      ? { name, identifiers: request.identifiers, directory: request.issuer.server }
      : describeHeld(request, held, "held", now, dueOf(certificate, now).at).document),
    outcome: held === undefined ? "missing" : "held",
    conditions: conditionsOf(certificate, now),
    next: nextOf(certificate, now),
    deploy: deployStatesOf(certificate),
    request: remembered,
    status: withoutEmptyPromise(status),
    ...(pending === undefined
      ? {}
      : { pendingOrder: pending.orderUrl, presented: pending.presented.length }),
  };
}

/** A refusal for good is not tried again when the back-off of that failure ends. */
function withoutEmptyPromise(status: CertificateStatus): CertificateStatus {
  if (status.retryReason !== "permanent") return status;
  const { retryAt: _, ...kept } = status;
  return kept;
}

/** What the next run will do, and when. */
function nextOf(certificate: KnownCertificate, now: Date) {
  const step = stepOf(certificate, now);
  const { action, reason } = step;
  const at = timeOf(step, now);
  return { action, reason, ...(at === undefined ? {} : { at: at.toISOString() }) };
}

/** One certificate for people: what is held, its conditions, the last order as a tree, and the last attempt step by step. */
export function viewOf(
  certificate: KnownCertificate,
  { detailed }: { detailed: boolean },
  now: Date,
): readonly Block[] {
  const { name, request, held, status } = certificate;
  return [
    { kind: "heading", text: name },
    ...(held === undefined
      ? [{ kind: "line", text: "No certificate is held.", tone: "warn" } as const]
      : describeHeld(request, held, "held", now, dueOf(certificate, now).at).view),
    { kind: "fields", entries: fieldsOf(certificate, now) },
    { kind: "heading", text: "Conditions" },
    {
      kind: "table",
      columns: ["TYPE", "STATUS", "REASON", "MESSAGE"],
      rows: conditionsOf(certificate, now).map(rowOf),
    },
    ...(detailed ? detailsOf(certificate) : []),
    ...(status.lastAttempt === undefined ? [] : attemptView(status.lastAttempt, detailed)),
  ];
}

function fieldsOf(certificate: KnownCertificate, now: Date) {
  const { request, pending } = certificate;
  const step = stepOf(certificate, now);
  const { action, reason } = step;
  return [
    ["Names", request.identifiers.map(({ value }) => value).join(", ")],
    ["CA", request.issuer.server],
    ["Key", request.csr === undefined ? request.keyType : "that of the CSR"],
    ["Solvers", request.solvers.map(({ name }) => name).join(", ")],
    ["Next", `${action === "none" ? "" : `${action}: `}${reason}`],
    ["At", whenOf(timeOf(step, now), now)],
    ...(pending?.orderUrl === undefined ? [] : [["Open order", pending.orderUrl, "warn"] as const]),
  ] as const;
}

function rowOf({ type, status, reason, message }: Condition): readonly string[] {
  return [type, status ? "True" : "False", reason, message];
}

/** What is seldom asked for: the CA's wishes, each deploy step, and where each solver's options come from. */
function detailsOf(certificate: KnownCertificate): readonly Block[] {
  const { request, status, held } = certificate;
  const steps = deployStatesOf(certificate);
  const { window } = status.ari ?? {};
  return [
    { kind: "heading", text: "Details" },
    {
      kind: "fields",
      entries: [
        ...(held === undefined
          ? []
          : ([
              ["Fingerprint", held.meta.fingerprint],
              ["Account", held.meta.account],
              ["Issued by order", held.meta.orderUrl],
              ["Version", `${held.version}`],
            ] as const)),
        ["Profile", request.profile ?? "the CA's default"],
        ["From", request.fromConfig === true ? "the config file" : "the command line"],
        ["Last success", status.lastSuccess ?? "never"],
        ["Failures since", `${status.failures}`],
        ...(window === undefined
          ? []
          : ([
              ["Renewal window", `${window.start} to ${window.end}, chosen ${window.selected}`],
            ] as const)),
        ...(status.ari === undefined ? [] : ([["ARI asked again", status.ari.nextCheck]] as const)),
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
            columns: ["STATE", "SINCE", "STEP", "WHAT IT SAID"],
            rows: steps.map(({ state, at = "-", step, detail = "" }) => [state, at, step, detail]),
          },
        ] as const)),
  ];
}

function attemptView(attempt: Attempt, detailed: boolean): readonly Block[] {
  const { startedAt, outcome = "unfinished", events, problem } = attempt;
  const shown = detailed ? events : events.filter(({ level }) => level !== "debug");
  return [
    { kind: "heading", text: `Last attempt: ${outcome}, begun ${startedAt}` },
    ...treeOf(attempt),
    {
      kind: "table",
      columns: ["TIME", "STEP", "WHAT"],
      rows: shown.map(({ at, step, message }) => [at.slice(11, 19), step, message]),
    },
    ...(problem === undefined
      ? []
      : [
          { kind: "line", text: `${problem.title}: ${problem.detail ?? ""}`, tone: "bad" } as const,
        ]),
    ...(problem?.hint === undefined
      ? []
      : [{ kind: "line", text: `Hint: ${problem.hint}` } as const]),
  ];
}

/** Order → authorizations → challenges → what was seen, each a line. */
function treeOf({ orderUrl, authorizations = [] }: Attempt): readonly Block[] {
  if (orderUrl === undefined) return [];
  return [line(0, `Order ${orderUrl}`, "plain"), ...authorizations.flatMap(authorizationLines)];
}

function authorizationLines(authorization: AttemptAuthorization): readonly Block[] {
  const { identifier, status, challenges } = authorization;
  const before = challenges.length === 0 && status === "valid" ? " (validated before)" : "";
  return [
    line(1, `Authorization of ${identifier}: ${status}${before}`, toneOf(status)),
    ...challenges.flatMap(challengeLines),
  ];
}

function challengeLines({
  type,
  solver,
  place,
  status,
  looks,
  problem,
}: AttemptChallenge): readonly Block[] {
  return [
    line(2, `${type} by ${solver} at ${place}: ${status}`, toneOf(status)),
    ...looks.map(({ server, saw }) => line(3, `${server}: ${saw}`, "dim")),
    ...(problem === undefined
      ? []
      : [line(3, `${problem.type}: ${problem.detail ?? problem.title}`, "bad")]),
  ];
}

function line(depth: number, text: string, tone: Tone): Block {
  return { kind: "line", text: `${"  ".repeat(depth)}${text.replaceAll("\n", " ")}`, tone };
}

function toneOf(status: string): Tone {
  if (status === "valid") return "good";
  return status === "invalid" || status === "failed" ? "bad" : "plain";
}
