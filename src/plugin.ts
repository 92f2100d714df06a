/**
 * `acmectl/plugin`: all that a solver may import.
 *
 * A solver answers ACME challenges. Its life: acmectl reads the declaration, resolves and checks the options, calls
 * `create` once per run when the solver was chosen, then `preflight`, `present`, `cleanup` as below, and `close` at the end.
 */
import type { OptionDeclarations, OptionsOf } from "./options/declaration.ts";

export { Problem } from "./problem.ts";
export type { ProblemFields, ProblemKind } from "./problem.ts";
export type { OptionDeclaration, OptionDeclarations, OptionsOf } from "./options/declaration.ts";

/** What a certificate names: a DNS name as A-labels in lower case, or an IP address in RFC 5952 form (RFC 8738). */
export interface Identifier {
  readonly type: "dns" | "ip";
  readonly value: string;
}

interface ChallengeBase {
  /** The name to prove, never with `*.`; see `wildcard`. */
  readonly identifier: Identifier;
  /** True when the certificate asks for `*.` + the name. Then two challenges may exist for the same name. */
  readonly wildcard: boolean;
  /** Checked against `^[A-Za-z0-9_-]+$` before any solver sees it. Empty for dns-persist-01, as is the next. */
  readonly token: string;
  /** token "." thumbprint of the account key (RFC 8555 §8.1). */
  readonly keyAuthorization: string;
}

/** RFC 8555 §8.3: `GET http://<identifier><path>` must answer exactly `body`. */
export interface Http01Challenge extends ChallengeBase {
  readonly type: "http-01";
  /** `/.well-known/acme-challenge/<token>` */
  readonly path: string;
  readonly body: string;
}

/** RFC 8555 §8.4: a TXT record at `recordName` must hold `recordValue`, beside whatever else is there. */
export interface Dns01Challenge extends ChallengeBase {
  readonly type: "dns-01";
  /** What the CA asks for, no trailing dot: `_acme-challenge.<name>`, for dns-account-01 with a label of the account before it. */
  readonly validationName: string;
  /** Where to write: `validationName` after following its CNAMEs, no trailing dot. */
  readonly recordName: string;
  /** 43 characters of base64url; of a TLSA record its fields, e.g. `3 1 1 6a0f…`. */
  readonly recordValue: string;
  /** TXT when absent. A TLSA record proves nothing: it is for DANE, and only a solver that declares the type is asked for it. */
  readonly recordType?: "TLSA" | undefined;
}

/** Types of records that a solver may write: TXT for dns-01, TLSA (RFC 6698) for DANE. */
export type RecordType = "TXT" | "TLSA";

/** RFC 8737: a self-signed certificate with this digest, on ALPN `acme-tls/1`. */
export interface TlsAlpn01Challenge extends ChallengeBase {
  readonly type: "tls-alpn-01";
  /** What the CA asks for by SNI: the name, or of an address its name in the reverse zone (RFC 8738 §6). */
  readonly serverName: string;
  /** SHA-256 of the key authorization, 32 bytes as hexadecimal. */
  readonly digest: string;
}

/** dns-persist-01: a TXT record that stands for many certificates. Nothing is presented for one of them. */
export interface DnsPersist01Challenge extends ChallengeBase {
  readonly type: "dns-persist-01";
  /** `_validation-persist.<name>`, no trailing dot. */
  readonly validationName: string;
  /** The same after following its CNAMEs. */
  readonly recordName: string;
  /** Names of the CA, one of which has to be in the record. */
  readonly issuers: readonly string[];
  /** Names of the account, one of which has to be in the record. */
  readonly accountUris: readonly string[];
}

export type Challenge =
  | Http01Challenge
  | Dns01Challenge
  | TlsAlpn01Challenge
  | DnsPersist01Challenge;
export type ChallengeType = Challenge["type"];
export type ChallengeOf<T extends ChallengeType> = Extract<Challenge, { type: T }>;

/** What a run is about to ask for, known before any order exists. */
export interface Target {
  readonly identifier: Identifier;
  readonly wildcard: boolean;
  /** What is answered, unless the CA does not offer it. */
  readonly challengeType?: ChallengeType | undefined;
  /** Present where a DNS record proves the name: `_acme-challenge.<name>`, say, and the same after following CNAMEs. */
  readonly validationName?: string;
  readonly recordName?: string;
  /** TXT when absent. */
  readonly recordType?: "TLSA" | undefined;
}

export interface Call {
  /** In a call that presents: how long acmectl then waits until the response is visible, in milliseconds. */
  readonly propagationTimeout?: number | undefined;
  /** Aborts at Ctrl-C, SIGTERM or the deadline. `cleanup` gets a fresh one with its own deadline. */
  readonly signal: AbortSignal;
}

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
}
export type LogFields = Readonly<Record<string, unknown>>;

/** The zone that holds a record name, as its parent delegates it. */
export interface Zone {
  /** No trailing dot, e.g. `example.com`. */
  readonly name: string;
  /** Host names of its name servers, no trailing dots. */
  readonly nameservers: readonly string[];
}

export interface SolverContext {
  /** The solver's name in the config, or the plugin's name when it was chosen on the command line. */
  readonly name: string;
  readonly log: Log;
  /** Ask the DNS which zone a name lives in (SOA walk). Rejects with a Problem when no zone is found. */
  findZone(recordName: string): Promise<Zone>;
  /** JSON that outlives the run, private to this solver, kept with mode 0600. */
  readonly state: SolverState;
  readonly answers: Answers;
}

/** The response to one challenge, served by every host that shares the state. */
export interface Answer extends AnswerKey {
  /** The key authorization. */
  readonly content: string;
}
export interface AnswerKey {
  readonly type: "http-01" | "tls-alpn-01";
  /** What the CA asks for: in Host without a port or the brackets of an IPv6 address, or as the server name of TLS. */
  readonly host: string;
  readonly token: string;
}

/** Responses to challenges, for every host that runs `acmectl respond` with the same state. */
export interface Answers {
  /** When this resolves, every host serves the answer, for at most `lifetime` milliseconds. */
  put(answer: Answer, lifetime: number): Promise<void>;
  /** Succeeds if it does not exist. */
  remove(answer: AnswerKey): Promise<void>;
}

export interface SolverState {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
}

/** Answers challenges. Every method may be called for several challenges at once, up to the declared `concurrency`. */
export interface Solver<T extends ChallengeType = ChallengeType, Receipt = unknown> {
  /** Before an order is made: check credentials, zones, ports, folders. MUST NOT write anything that others see. */
  preflight?(targets: readonly Target[], call: Call): Promise<void>;
  /** Publish the response; return, as plain JSON, what undoes it. MUST NOT wait for propagation. MUST be idempotent. */
  present(challenge: ChallengeOf<T>, call: Call): Promise<Receipt>;
  /** Undo present. Without a receipt after a crash or a throw. MUST succeed when nothing is left, MUST remove only its own value. */
  cleanup(challenge: ChallengeOf<T>, receipt: Receipt | undefined, call: Call): Promise<void>;
  /** Several at once, where the provider has a batch call. Receipts in the order of the challenges. */
  presentAll?(challenges: readonly ChallengeOf<T>[], call: Call): Promise<readonly Receipt[]>;
  cleanupAll?(items: readonly CleanupItem<T, Receipt>[], call: Call): Promise<void>;
  /**
   * Does the provider itself say that it is live everywhere? Asked until true, beside acmectl's own look, which is repeated for
   * http-01 too if a solver has this.
   */
  checkPropagation?(challenge: ChallengeOf<T>, receipt: Receipt, call: Call): Promise<boolean>;
  close?(): Promise<void>;
}

export interface CleanupItem<T extends ChallengeType = ChallengeType, Receipt = unknown> {
  readonly challenge: ChallengeOf<T>;
  readonly receipt: Receipt | undefined;
}

export interface SolverPlugin<
  T extends ChallengeType = ChallengeType,
  D extends OptionDeclarations = OptionDeclarations,
  Receipt = unknown,
> {
  /** One line for `acmectl solvers list`. */
  readonly summary: string;
  /** In order of preference: the first that the CA offers is answered. */
  readonly challengeTypes: readonly T[];
  /** Those that are answered unless the user asks for another with `--challenge`; all when absent. */
  readonly defaultTypes?: readonly T[];
  /** Records that it writes for dns-01; only TXT when absent. */
  readonly recordTypes?: readonly RecordType[];
  /** How many calls of one kind may run at once; 1 when absent. */
  readonly concurrency?: number;
  readonly options: D;
  /**
   * For a solver that presents nothing, since web servers answer every token with the thumbprint of the account's key: the
   * configuration of each web server, by its name. Before it places an order, acmectl requests a random token.
   */
  readonly stateless?: (thumbprint: string) => Readonly<Record<string, string>>;
  create(
    options: OptionsOf<D>,
    context: SolverContext,
  ): Solver<T, Receipt> | Promise<Solver<T, Receipt>>;
}

/** Declare a solver: the identity function, for its types. Export the result as the module's default. */
export function defineSolver<
  const T extends ChallengeType,
  const D extends OptionDeclarations,
  Receipt,
>(plugin: SolverPlugin<T, D, Receipt>): SolverPlugin<T, D, Receipt> {
  return plugin;
}

/** One message of a run, for all certificates that there is something to say about. */
export interface Notification {
  /** `test` is sent by `acmectl notify test`; `recovery` has nothing but recoveries. */
  readonly kind: "problem" | "recovery" | "test";
  readonly host: string;
  /** RFC 3339. */
  readonly at: string;
  /** One line. */
  readonly subject: string;
  /** All items as plain text, with line ends. */
  readonly text: string;
  readonly items: readonly NotificationItem[];
}

export interface NotificationItem {
  readonly certificate: string;
  readonly names: readonly string[];
  /** What happened: issuance failed, a deploy step failed, it is about to expire. */
  readonly event: "failure" | "deploy" | "expiry";
  /** The event is over. */
  readonly recovered: boolean;
  /** One short sentence. */
  readonly title: string;
  readonly detail: string;
  /** When the event was reported first, RFC 3339. */
  readonly since: string;
  /** When the certificate expires; absent if there is none. */
  readonly expiresAt?: string | undefined;
}

/** Sends a notification. MUST reject if it did not arrive: it is sent again by the next run. */
export type Notifier = (notification: Notification, call: NotifierCall) => Promise<void>;

export interface NotifierCall {
  /** As the config has them, secrets read. */
  readonly options: Readonly<Record<string, string>>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Declare a notifier: the identity function, for its types. Export the result as the module's default. */
export function defineNotifier(notifier: Notifier): Notifier {
  return notifier;
}
