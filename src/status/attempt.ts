import { dateOf } from "../dates.ts";
import { type Block, heading, line, table, type Tone } from "../result.ts";
import type {
  AttemptAuthorization,
  AttemptChallenge,
  AttemptOrder,
  CertificateStatus,
} from "../state/certificate-status.ts";

type Attempt = NonNullable<CertificateStatus["lastAttempt"]>;

/** The last attempt for people: its orders as trees, then step by step. */
export function attemptView(attempt: Attempt, detailed: boolean): readonly Block[] {
  const { startedAt, outcome = "unfinished", events, problem } = attempt;
  const shown = detailed ? events : events.filter(({ level }) => level !== "debug");
  return [
    heading(`Last attempt: ${outcome}, started ${dateOf(startedAt)}`),
    ...[...(attempt.earlier ?? []), attempt].flatMap(orderLines),
    table(
      ["TIME", "STEP", "EVENT"],
      shown.map(({ at, step, message }) => [at.slice(11, 19), step, message]),
    ),
    ...(problem === undefined
      ? []
      : [indented(0, `${problem.title}: ${problem.detail ?? ""}`, "bad")]),
    ...(problem?.hint === undefined ? [] : [indented(0, `Hint: ${problem.hint}`)]),
  ];
}

/** Order → authorizations → challenges → what was seen, each a line. */
function orderLines({ orderUrl, authorizations = [] }: AttemptOrder): readonly Block[] {
  if (orderUrl === undefined) return [];
  return [indented(0, `Order ${orderUrl}`), ...authorizations.flatMap(authorizationLines)];
}

function authorizationLines(authorization: AttemptAuthorization): readonly Block[] {
  const { identifier, status, challenges } = authorization;
  const before = challenges.length === 0 && status === "valid" ? " (validated before)" : "";
  return [
    indented(1, `Authorization of ${identifier}: ${status}${before}`, toneOf(status)),
    ...challenges.flatMap(challengeLines),
  ];
}

function challengeLines(challenge: AttemptChallenge): readonly Block[] {
  const { type, solver, place, status, looks, problem } = challenge;
  return [
    indented(2, `${type} by ${solver} at ${place}: ${status}`, toneOf(status)),
    ...looks.map(({ server, saw }) => indented(3, `${server}: ${saw}`, "dim")),
    ...(problem === undefined
      ? []
      : [indented(3, `${problem.type}: ${problem.detail ?? problem.title}`, "bad")]),
  ];
}

function indented(depth: number, text: string, tone?: Tone): Block {
  return line(`${"  ".repeat(depth)}${text.replaceAll("\n", " ")}`, tone);
}

function toneOf(status: string): Tone {
  if (status === "valid") return "good";
  return status === "invalid" || status === "failed" ? "bad" : "plain";
}
