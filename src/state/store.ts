/**
 * What outlives the run. The folder of DESIGN's §8 is the first implementation (`openFolderStore`); nothing outside `store/`
 * opens a file of the state or takes a lock, so another one (PostgreSQL, S3) can stand in its place.
 */
import type { CertificateRequest, SolverSetting, VersionMeta } from "../certificate.ts";
import type { Challenge, ChallengeType, SolverState } from "../plugin.ts";
import type { ProblemDocument } from "../problem.ts";

export interface AccountRecord {
  /** Names the folder below the directory's: the key's thumbprint. */
  id: string;
  directory: string;
  /** Absent until the CA answered newAccount. */
  url?: string;
  contact: readonly string[];
  termsOfServiceAgreed?: string;
  createdAt: string;
  /** When somebody chose it over the others of its directory; the one chosen last is used. */
  chosenAt?: string;
  status?: string;
}
export interface StoredAccount extends AccountRecord {
  /** PKCS#8 PEM. */
  key: string;
  /** A rollover that was begun and not ended. */
  nextKey?: string;
  path: string;
}

export interface NewVersion {
  /** PKCS#8 PEM; absent when the request came with a CSR. */
  privateKey?: string;
  /** PEM, re-encoded by us. */
  certificate: string;
  chain: string;
  meta: VersionMeta;
}
export interface HeldCertificate {
  version: number;
  meta: VersionMeta;
  /** Absolute paths through `current`. */
  paths: { privateKey?: string; certificate: string; chain: string; fullchain: string };
}

/** One line of the last attempt, as `status` shows it. */
export interface AttemptEvent {
  at: string;
  level: "debug" | "info" | "warn" | "error";
  step: string;
  message: string;
  identifier?: string;
}
/** One name of the last attempt's order, and what was done to prove it. */
export interface AttemptAuthorization {
  /** As ordered, a wildcard with its `*.`. */
  identifier: string;
  url: string;
  /** The CA's word, when it was last heard. */
  status: string;
  /** Of what the solvers tried, in order. */
  challenges: readonly AttemptChallenge[];
}
export interface AttemptChallenge {
  type: string;
  solver: string;
  /** Where the response was put: a record's name, a URL or a host. */
  place: string;
  /** `failed` before the CA was asked; `valid` and `invalid` are the CA's words. */
  status: "presenting" | "presented" | "failed" | "valid" | "invalid";
  /** What was seen there from here, each server's last answer. */
  looks: readonly { server: string; saw: string }[];
  problem?: ProblemDocument & { hint?: string };
}
export interface CertificateStatus {
  lastAttempt?: {
    startedAt: string;
    endedAt?: string;
    outcome?: "issued" | "failed";
    orderUrl?: string;
    /** Absent before an order was made, and in records of older releases. */
    authorizations?: readonly AttemptAuthorization[];
    events: readonly AttemptEvent[];
    problem?: ProblemDocument & { hint?: string };
  };
  lastSuccess?: string;
  /** The one before. */
  previousSuccess?: string;
  /** Failures since the last success; the back-off is computed from it. */
  failures: number;
  /** Not before this time, ours or the CA's. */
  retryAt?: string;
  /** What the CA itself has said; --force does not clear it. */
  caRetryAt?: string;
  /** The certificate with this fingerprint was revoked from here. */
  revoked?: { fingerprint: string; at: string; reason: string };
  retryReason?: "backoff" | "ca" | "permanent";
  /** Hash of the request that failed: a permanent problem waits until the request is another. */
  failedRequest?: string;
  ari?: AriStatus;
  /** Per deploy step, keyed by a hash of what it says, so that editing the list moves nothing; absent when there is none. */
  deploy?: Readonly<Record<string, DeployState>>;
}
export interface DeployState {
  /** Which version of the certificate it is about. */
  version: number;
  /** `pending` before it was tried; what a run that died leaves so is repeated like a failure. */
  state: "pending" | "done" | "failed";
  at: string;
  /** What it said when it failed, secrets masked. */
  detail?: string | undefined;
}
/** What is known of the CA's wishes for one certificate (RFC 9773). */
export interface AriStatus {
  certificateId: string;
  /** Not asked again before. */
  nextCheck: string;
  /** Absent until the CA has answered. */
  window?:
    | { start: string; end: string; selected: string; explanationUrl?: string | undefined }
    | undefined;
}
/** `certificate.json`. */
export interface CertificateRecord {
  request: CertificateRequest;
  status: CertificateStatus;
}
export interface StoredCertificate extends CertificateRecord {
  name: string;
  held?: HeldCertificate | undefined;
}

/** `pending/<name>.json`: what a run that died has left behind. */
export interface PendingOrder {
  name: string;
  orderUrl?: string;
  directory: string;
  accountId: string;
  /** PKCS#8 PEM and DER (base64) of what will be finalized; on disk before the CA hears of them. */
  privateKey?: string;
  csr?: string;
  requestHash: string;
  startedAt: string;
  presented: readonly PresentedChallenge[];
}
export interface PresentedChallenge {
  solver: SolverSetting;
  type: ChallengeType;
  challenge: Challenge;
  /** Absent until `present` returned. */
  receipt?: unknown;
}

export interface Lock {
  readonly name: string;
  /** Rejects with a `locked` Problem when somebody else has taken it over meanwhile. Called right before a commit. */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
}

export interface Store {
  /** The state folder, for messages. */
  readonly root: string;
  /** Write, sync and remove a probe file: a `machine` Problem when the disk is full or not ours. */
  checkWritable(): Promise<void>;
  readonly accounts: {
    list(): Promise<readonly StoredAccount[]>;
    /** The accounts of one directory URL; the usable one first. */
    ofDirectory(directory: string): Promise<readonly StoredAccount[]>;
    /** Writes the key durably before anything else is known of the account. `id` is the key's thumbprint. */
    create(account: {
      id: string;
      directory: string;
      key: string;
      contact: readonly string[];
    }): Promise<StoredAccount>;
    update(
      account: StoredAccount,
      change: Partial<Omit<AccountRecord, "id" | "directory">>,
    ): Promise<StoredAccount>;
    /** Phase one of a rollover: the next key is durable. Phase two: it becomes the key. */
    beginRollover(account: StoredAccount, nextKey: string): Promise<StoredAccount>;
    finishRollover(account: StoredAccount): Promise<StoredAccount>;
    abandonRollover(account: StoredAccount): Promise<StoredAccount>;
    remove(account: StoredAccount): Promise<void>;
  };
  readonly certificates: {
    names(): Promise<readonly string[]>;
    read(name: string): Promise<StoredCertificate | undefined>;
    saveRequest(request: CertificateRequest): Promise<void>;
    updateStatus(
      name: string,
      change: (status: CertificateStatus) => CertificateStatus,
    ): Promise<CertificateStatus>;
    /** One folder, one rename of `current`. `lock.assertHeld()` is called right before the rename. */
    commit(name: string, version: NewVersion, lock: Lock): Promise<HeldCertificate>;
    readPrivateKey(name: string): Promise<string | undefined>;
    readCertificate(name: string): Promise<{ certificate: string; chain: string } | undefined>;
    remove(name: string): Promise<void>;
  };
  readonly journal: {
    names(): Promise<readonly string[]>;
    read(name: string): Promise<PendingOrder | undefined>;
    write(pending: PendingOrder): Promise<void>;
    remove(name: string): Promise<void>;
  };
  /** JSON that a solver keeps, by the solver's name. */
  solverState(solver: string): SolverState;
  /** `name` is `certificate:<name>`, `account:<directory>` or the like. `wait` in milliseconds; 0 rejects at once with `locked`. */
  lock(
    name: string,
    options: { wait: number; signal: AbortSignal; onWait?: (holder: string) => void },
  ): Promise<Lock>;
}
