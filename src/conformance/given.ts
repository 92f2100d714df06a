/** What a solver is given, without acmectl around it: challenges and a context. */
import { createHash, randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { serverNameOf } from "../address.ts";
import type {
  Challenge,
  ChallengeOf,
  ChallengeType,
  Log,
  LogFields,
  SolverContext,
  SolverState,
  Zone,
} from "../plugin.ts";

export interface ChallengeDetails {
  /** As if the certificate asked for `*.` + the name. */
  readonly wildcard?: boolean;
  /** Random when absent. */
  readonly token?: string;
  /** dns-01: where the CNAMEs of the validation name lead; the validation name when absent. */
  readonly recordName?: string;
}

/** A random challenge as a CA would make it for `name`, a DNS name in A-labels or an IP address. */
export function challengeFor<T extends ChallengeType>(
  type: T,
  name: string,
  details: ChallengeDetails = {},
): ChallengeOf<T> {
  const token = details.token ?? randomBytes(32).toString("base64url");
  const thumbprint = randomBytes(32).toString("base64url");
  return makers[type](
    {
      identifier: { type: isIP(name) === 0 ? "dns" : "ip", value: name },
      wildcard: details.wildcard ?? false,
      token,
      keyAuthorization: `${token}.${thumbprint}`,
    },
    details,
  );
}

/** What the world has to see once the challenge is presented: the body, the TXT value or the digest. */
export function responseOf(challenge: Challenge): string {
  if (challenge.type === "http-01") return challenge.body;
  if (challenge.type === "tls-alpn-01") return challenge.digest;
  if (challenge.type === "dns-01") return challenge.recordValue;
  return `${challenge.issuers[0]}; accounturi=${challenge.accountUris[0]}`;
}

type Base = Pick<Challenge, "identifier" | "wildcard" | "token" | "keyAuthorization">;

const makers: {
  [T in ChallengeType]: (base: Base, details: ChallengeDetails) => ChallengeOf<T>;
} = {
  "http-01": (base) => ({
    ...base,
    type: "http-01",
    path: `/.well-known/acme-challenge/${base.token}`,
    body: base.keyAuthorization,
  }),
  "dns-01": (base, { recordName }) => {
    const validationName = `_acme-challenge.${base.identifier.value}`;
    return {
      ...base,
      type: "dns-01",
      validationName,
      recordName: recordName ?? validationName,
      recordValue: sha256(base.keyAuthorization).toString("base64url"),
    };
  },
  "dns-persist-01": ({ identifier, wildcard }, { recordName }) => {
    const validationName = `_validation-persist.${identifier.value}`;
    return {
      identifier,
      wildcard,
      token: "",
      keyAuthorization: "",
      type: "dns-persist-01",
      validationName,
      recordName: recordName ?? validationName,
      issuers: ["ca.example"],
      accountUris: ["https://ca.example/account/1"],
    };
  },
  "tls-alpn-01": (base) => ({
    ...base,
    type: "tls-alpn-01",
    serverName: serverNameOf(base.identifier),
    digest: sha256(base.keyAuthorization).toString("hex"),
  }),
};

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** A log that drops everything. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {} };

export interface LogEntry {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: LogFields;
}

/** A log that keeps everything, debug too, in `entries`. */
export function recordingLog(): Log & { readonly entries: readonly LogEntry[] } {
  const entries: LogEntry[] = [];
  const at =
    (level: keyof Log) =>
    (message: string, fields: LogFields = {}) => {
      entries.push({ level, message, fields });
    };
  return { entries, debug: at("debug"), info: at("info"), warn: at("warn") };
}

/** A context as `create` gets it: state in memory, a silent log, and zones of two labels unless others are given. */
export function solverContext(given: Partial<SolverContext> = {}): SolverContext {
  return {
    name: given.name ?? "solver",
    log: given.log ?? silentLog,
    findZone: given.findZone ?? zoneOfTwoLabels,
    state: given.state ?? memoryState(),
    answers: given.answers ?? { put: async () => {}, remove: async () => {} },
  };
}

/** State that ends with the process, and like the real one keeps nothing but JSON. */
export function memoryState(): SolverState {
  const kept = new Map<string, string>();
  return {
    get: async (key) => {
      const text = kept.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    set: async (key, value) => {
      if (value === undefined) kept.delete(key);
      else kept.set(key, JSON.stringify(value));
    },
  };
}

async function zoneOfTwoLabels(recordName: string): Promise<Zone> {
  const name = recordName.split(".").slice(-2).join(".");
  return { name, nameservers: [`ns1.${name}`] };
}
