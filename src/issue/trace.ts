import type { LogFields } from "../plugin.ts";
import type { ProblemDocument } from "../problem.ts";
import type { AttemptAuthorization, AttemptChallenge } from "../state/store.ts";

/** An order's authorizations, challenges and looks, gathered from the fields of the events that tell of them. */
export interface Trace {
  note(fields: LogFields): void;
  /** What is known by now. */
  read(): { orderUrl?: string; authorizations?: readonly AttemptAuthorization[] };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Challenge = Omit<Writable<AttemptChallenge>, "looks"> & { looks: Map<string, string> };
type Authorization = Omit<Writable<AttemptAuthorization>, "challenges"> & {
  challenges: Challenge[];
};

/**
 * Fields that count: `order`; `identifier` (as ordered) with `authorization` and `status`; `identifier` with `challenge` and
 * `solver`, to which `place`, `status` and `problem` belong; `identifier` with `server` and `saw`.
 */
export function openTrace(): Trace {
  const authorizations = new Map<string, Authorization>();
  let orderUrl: string | undefined;
  return {
    note(fields) {
      orderUrl = text(fields["order"]) ?? orderUrl;
      const identifier = text(fields["identifier"]);
      if (identifier === undefined) return;
      noteAuthorization(identifier, fields, authorizations);
      const authorization = authorizations.get(identifier);
      if (authorization === undefined) return;
      noteChallenge(authorization, fields);
      noteLook(authorization.challenges.at(-1), fields);
    },
    read: () => ({
      ...(orderUrl === undefined ? {} : { orderUrl }),
      ...(authorizations.size === 0
        ? {}
        : { authorizations: [...authorizations.values()].map(plain) }),
    }),
  };
}

function noteAuthorization(
  identifier: string,
  fields: LogFields,
  authorizations: Map<string, Authorization>,
): void {
  const url = text(fields["authorization"]);
  const status = text(fields["status"]);
  if (url === undefined || status === undefined) return;
  const known = authorizations.get(identifier);
  if (known === undefined)
    authorizations.set(identifier, { identifier, url, status, challenges: [] });
  else Object.assign(known, { url, status });
}

function noteChallenge({ challenges }: Authorization, fields: LogFields): void {
  const type = text(fields["challenge"]);
  const solver = text(fields["solver"]);
  if (type === undefined || solver === undefined) return;
  const last = challenges.findLast((one) => one.type === type && one.solver === solver);
  const challenge: Challenge = last ?? {
    type,
    solver,
    place: "",
    status: "presenting",
    looks: new Map(),
  };
  if (last === undefined) challenges.push(challenge);
  challenge.place = text(fields["place"]) ?? challenge.place;
  const status = statuses.find((word) => word === fields["status"]);
  if (status !== undefined) challenge.status = status;
  const { problem } = fields;
  if (isDocument(problem)) challenge.problem = problem;
}

const statuses = ["presenting", "presented", "failed", "valid", "invalid"] as const;

/** Several challenges are looked at one after the other, never at once: it is about the last one. */
function noteLook(challenge: Challenge | undefined, fields: LogFields): void {
  const server = text(fields["server"]);
  const saw = text(fields["saw"]);
  if (server !== undefined && saw !== undefined) challenge?.looks.set(server, saw);
}

function plain(authorization: Authorization): AttemptAuthorization {
  return {
    ...authorization,
    challenges: authorization.challenges.map((challenge) => ({
      ...challenge,
      looks: [...challenge.looks].map(([server, saw]) => ({ server, saw })),
    })),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function isDocument(value: unknown): value is ProblemDocument & { hint?: string } {
  return typeof value === "object" && value !== null && "type" in value && "title" in value;
}
