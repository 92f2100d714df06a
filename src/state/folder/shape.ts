/** What the JSON of a record must look like, so that a file edited by hand is refused where it is read, not where it is used. */
import { isRecord } from "../../json.ts";

/** A type, a date as text, a list (one shape in brackets), or the members of an object; `name?` may be absent. */
export type Shape =
  | "string"
  | "number"
  | "boolean"
  | "date"
  | "object"
  | readonly [Shape]
  | { readonly [member: string]: Shape };

export function fits(value: unknown, shape: Shape): boolean {
  if (shape === "object") return isRecord(value);
  if (shape === "date") return typeof value === "string" && !Number.isNaN(Date.parse(value));
  if (typeof shape === "string") return typeof value === shape;
  if (isList(shape)) return Array.isArray(value) && value.every((item) => fits(item, shape[0]));
  if (!isRecord(value)) return false;
  return Object.entries(shape).every(([name, inner]) => {
    const member = value[name.replace(/\?$/, "")];
    return member === undefined ? name.endsWith("?") : fits(member, inner);
  });
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}

const identifiers: Shape = [{ type: "string", value: "string" }];
const issuer: Shape = { server: "string" };
const windows: Shape = [{ start: "string", duration: "number", "timeZone?": "string" }];
const hooks: Shape = ["object"];

const request: Shape = {
  name: "string",
  keyType: "string",
  identifiers,
  issuer,
  "issuers?": [issuer],
  "csr?": "string",
  "duration?": "number",
  "notBefore?": "date",
  "notAfter?": "date",
  solvers: [{ name: "string", use: "string", options: "object" }],
  labels: "object",
  outputs: "object",
  hooks: { "pre?": hooks, "deploy?": hooks, "post?": hooks, "failure?": hooks },
  "windows?": windows,
  "freeze?": windows,
};

const attemptOrder: Shape = {
  "orderUrl?": "string",
  "authorizations?": [
    {
      identifier: "string",
      status: "string",
      challenges: [
        {
          type: "string",
          solver: "string",
          place: "string",
          status: "string",
          looks: [{ server: "string", saw: "string" }],
          "problem?": "object",
        },
      ],
    },
  ],
};

const attempt: Shape = {
  ...attemptOrder,
  startedAt: "date",
  "endedAt?": "date",
  events: [{ at: "date", level: "string", step: "string", message: "string" }],
  "earlier?": [attemptOrder],
  "problem?": "object",
};

const status: Shape = {
  failures: "number",
  "lastAttempt?": attempt,
  "lastSuccess?": "date",
  "previousSuccess?": "date",
  "retryAt?": "date",
  "caRetryAt?": "date",
  "revoked?": { fingerprint: "string", at: "date", reason: "string" },
  "ari?": {
    certificateId: "string",
    nextCheck: "date",
    "window?": { start: "date", end: "date", selected: "date" },
  },
  "issuances?": [{ at: "date", names: "string", order: "string" }],
  "deploy?": "object",
};

/** `certificate.json` */
export const certificateShape: Shape = { status, "request?": request, "hosts?": "object" };

const version: Shape = {
  identifiers,
  "added?": identifiers,
  serial: "string",
  fingerprint: "string",
  notBefore: "date",
  notAfter: "date",
  keyType: "string",
  directory: "string",
  account: "string",
  issuedAt: "date",
  requestHash: "string",
};

/** `meta.json` */
export const metaShape: Shape = { ...version, "second?": version };

/** `ledger/<directory>.json` */
export const ledgerShape: Shape = {
  entries: [{ at: "string", event: "string", names: ["string"] }],
  pauses: [{ until: "string", detail: "string" }],
  "clock?": { at: "string", skew: "number" },
};
