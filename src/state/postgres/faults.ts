/** What an error of the server or of the connection means, and what to do about it. */
import { codeOf, messageOf, systemReason } from "../../errors.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { commandFor } from "../url.ts";
import type { DatabasePlace } from "./place.ts";

/** True when the connection is gone, or the server is about to start or to stop: it is not known whether the work was done. */
export function isLost(error: unknown): boolean {
  const code = codeOf(error);
  return (
    /^(08|57P0[1-3]|25P03)/.test(code) ||
    ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOENT", "EHOSTUNREACH"].includes(code) ||
    // `pg` gives these no code.
    /^Connection terminated|^Client has encountered a connection error|timeout exceeded when trying to connect|^Query read timeout/.test(
      messageOf(error),
    )
  );
}

/** True when the server answers that it is about to start or to stop. */
export function isStarting(error: unknown): boolean {
  return codeOf(error) === "57P03";
}

/** True when another host may do: this one is gone, or is a copy that follows its primary. */
export function isOfHost(error: unknown): boolean {
  return isLost(error) || codeOf(error) === "25006";
}

/** True when another transaction came in between, so that the same work can be done again. */
export function isConflict(error: unknown): boolean {
  return ["40001", "40P01"].includes(codeOf(error));
}

/** A `machine` Problem for what can be expected of a server and the way to it; anything else unchanged. */
export function problemOf(error: unknown, place: DatabasePlace): unknown {
  if (Problem.is(error)) return error;
  const [why, hint] = explained(error, place) ?? [];
  if (why === undefined) return error;
  return new Problem("machine", {
    detail: `Cannot use the state in ${place.where}: ${why}.`,
    hint,
    retryable: isLost(error),
    cause: error,
  });
}

type Explained = readonly [why: string, hint: string];

function explained(error: unknown, place: DatabasePlace): Explained | undefined {
  const code = codeOf(error);
  const message = messageOf(error);
  if (code === "" && /client password must be|no password/i.test(message))
    return [`the server asks for a password of ${place.user}, and none was found`, passwordHint];
  if (code === "" && /does not support SSL/.test(message))
    return ["the server does not offer TLS", tlsHint];
  if (isTlsFault(code, message)) return [`its TLS certificate is not accepted: ${message}`, caHint];
  if (isLost(error) || code === "ENOTFOUND" || code === "EAI_AGAIN")
    return [`the server ${place.host}:${place.port} is not reached: ${reasonOf(error)}`, reachHint];
  const known = ofServer(place, message)[code] ?? ofServer(place, message)[code.slice(0, 2)];
  if (known !== undefined) return known;
  return /^[0-9A-Z]{5}$/.test(code)
    ? [`the server answers "${message}" (SQLSTATE ${code})`, "Look into the log of the server."]
    : undefined;
}

const passwordHint =
  "Give it with PGPASSWORD, in a line of ~/.pgpass (mode 0600), or by reference in the URL: postgres://USER:env:NAME@HOST/DATABASE.";
const tlsHint =
  "Enable TLS on the server. On a network that you trust, add ?sslmode=disable to the URL.";
const caHint =
  "Give the server's CA with ?sslrootcert=/path/ca.pem, and use the host name that its certificate is for.";
const reachHint =
  "Check the host and port of --state, whether the server runs and listens there, and firewalls in between.";

function reasonOf(error: unknown): string {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "the connection was closed",
    ETIMEDOUT: "no answer",
    ENOTFOUND: "there is no such host",
    EAI_AGAIN: "the name server does not answer",
    EHOSTUNREACH: "there is no route to the host",
  };
  return words[codeOf(error)] ?? systemReason(error).replace(/\.$/, "");
}

function isTlsFault(code: string, message: string): boolean {
  return (
    /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code) ||
    /self.signed certificate|unable to (get|verify)/i.test(message)
  );
}

/** By SQLSTATE, or by its class. */
function ofServer(
  { where, user, database }: DatabasePlace,
  message: string,
): Readonly<Record<string, Explained>> {
  const init = commandFor(where, "state init");
  const detail = message === "" ? "" : `: ${message}`;
  const missing: Explained = ["it has no acmectl tables yet", `Create them: ${init}`];
  return {
    "28P01": [`the server refuses the password of ${user}`, passwordHint],
    "28": [
      `the server does not let ${user} in`,
      "Check pg_hba.conf of the server, and the user in the URL.",
    ],
    "3D000": [
      `the server has no database ${database}`,
      `Create it as an administrator: createdb --owner=${quotedWord(user)} ${quotedWord(database)}`,
    ],
    "42501": [
      `${user} does not have the rights that it needs${detail}`,
      `Run the GRANT statements that this command shows: ${init}`,
    ],
    "42P01": missing,
    "3F000": missing,
    "25006": ["the server is a read-only copy", "Give the address of the primary with --state."],
    "53300": [
      "the server has no connection left",
      "Raise max_connections of the server, or put PgBouncer before it.",
    ],
    "53": ["the server is out of disk space or memory", "Free some on the server; see its log."],
    "57014": ["the server cancelled a statement", "Raise statement_timeout of this user."],
  };
}
