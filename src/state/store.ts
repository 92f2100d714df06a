/**
 * What outlives the run. Nothing outside `state/` opens a file of the state or takes a lock, so the folder
 * (`folder/folder.ts`) is one backend of several: each passes the cases of `test/state/cases.ts`.
 */
import type {
  CertificateRequest,
  HookSetting,
  KeyType,
  SolverSetting,
  VersionMeta,
} from "../certificate.ts";
import type { Answer, AnswerKey, Challenge, ChallengeType, SolverState } from "../plugin.ts";
import type { Problem } from "../problem.ts";
import type { HostRecord } from "./hosts.ts";
import type { About, Ledger } from "./ledger.ts";
import type { Selection } from "./selection.ts";
import type { CertificateStatus } from "./certificate-status.ts";

export type { Answer, AnswerKey } from "../plugin.ts";

export interface AccountRecord {
  /** The thumbprint of the first key; stays when the key is rolled over. */
  id: string;
  directory: string;
  /** Absent until the CA answered newAccount. */
  url?: string;
  contact: readonly string[];
  termsOfServiceAgreed?: string | undefined;
  createdAt: string;
  /** Of the keys that it may have (RFC 7638): two while its key is changed. Absent in records of older releases. */
  keyThumbprints?: readonly string[] | undefined;
  /** When the user chose it over the others of its directory; the one chosen last is used. */
  chosenAt?: string;
  status?: string;
}
export interface StoredAccount extends AccountRecord {
  /** PKCS#8 PEM. */
  key: string;
  /** The key of an unfinished rollover. */
  nextKey?: string | undefined;
  /** Where it is kept, for messages. */
  where: string;
}

export interface NewVersion {
  /** PKCS#8 PEM; absent when the request came with a CSR. */
  privateKey?: string | undefined;
  /** PEM, re-encoded by us. */
  certificate: string;
  chain: string;
  /** Further chains of the same certificate, PEM with the leaf first. */
  alternates?: readonly string[] | undefined;
  /** What the CA sent beside the chain (`CERTIFICATE PROPERTIES`), PEM. */
  properties?: string | undefined;
  meta: VersionMeta;
  /** For the second key; its facts are in `meta.second`. */
  second?: Pick<NewVersion, "privateKey" | "certificate" | "chain"> | undefined;
}
/** What a CA issued and cannot be used: kept, since it counts, and may have been paid for. */
export interface RefusedCertificate {
  /** As it was downloaded. */
  pem: string;
  privateKey?: string | undefined;
  /** Why it is not used, the CA and its order. */
  why: string;
  directory: string;
  orderUrl: string;
  at: string;
}
/** A version with all that belongs to it, as it is copied into another state. */
export interface WholeVersion extends NewVersion {
  readonly number: number;
  /** What `saveAlternate` has added, by its place. */
  readonly added: Readonly<Record<number, string>>;
}
/** What is found by an index; `undefined` for one that a run never has to do with. */
export interface IndexEntry {
  /** When it is due to be replaced. A run asks for those that are due before the next one. */
  readonly due: Date | undefined;
  /** When something else is to be done: ask the CA about its renewal, deploy it, and the like. */
  readonly look: Date | undefined;
}
export interface HeldCertificate {
  version: number;
  meta: VersionMeta;
}
/** Absolute paths that always show the version in use. */
export interface CertificateFiles {
  /** Absent when the request came with a CSR. */
  privateKey?: string | undefined;
  certificate: string;
  chain: string;
  fullchain: string;
  /** Those of the second key. */
  second?: Omit<CertificateFiles, "second"> | undefined;
}

/** The same files under the names that scripts for other clients expect; each name has the certificate's in it. */
export interface ForeignFiles {
  /** Folder with certbot's fullchain.pem, privkey.pem, cert.pem and chain.pem. */
  lineage: string;
  lego: Omit<CertificateFiles, "certificate">;
  acmeSh: CertificateFiles;
}

export interface StoredCertificate {
  name: string;
  request: CertificateRequest;
  status: CertificateStatus;
  held?: HeldCertificate | undefined;
  /** Why the certificate that was issued cannot be used; then none is held. */
  damage?: string | undefined;
  /** What hosts that pull it have, by host; absent when none does. */
  hosts?: readonly HostRecord[] | undefined;
}

export interface ListOptions {
  /** Without it, the events and authorizations of the last attempts are left out. */
  readonly attempts?: boolean | undefined;
  /** Only those that one of these selects. */
  readonly select?: readonly Selection[] | undefined;
  /** Only those whose request may have one of these texts in it; others may be among them. */
  readonly mentions?: readonly string[] | undefined;
}

/** A certificate whose record cannot be read, and why. */
export interface BrokenCertificate {
  readonly name: string;
  readonly problem: Problem;
}

/** An unfinished order: written before the CA and the solvers are asked, so that the next run can resume and clean up. */
export interface PendingOrder extends OrderPair {
  name: string;
  /** Those at other CAs of the request, each to be resumed when its CA is asked again. */
  others?: readonly OrderPair[] | undefined;
  presented: readonly PresentedChallenge[];
}
export interface OrderPair extends OrderProgress {
  /** That for the second key. The first one stays beside it until both certificates are committed. */
  second?: OrderProgress | undefined;
}
export interface OrderProgress {
  orderUrl?: string | undefined;
  directory: string;
  accountId: string;
  /** PKCS#8 PEM and DER (base64) to finalize with; written before the CA receives them. */
  privateKey?: string | undefined;
  csr?: string | undefined;
  /** The CA may have issued for this key. */
  finalizing?: boolean | undefined;
  requestHash: string;
  startedAt: string;
  /** When the CA forgets it, by its own words. */
  expires?: string | undefined;
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
  /** Of a backend that compares it when it commits (a fencing token). */
  readonly token?: string | undefined;
  /** Rejects with a `locked` Problem when another run has taken it over. Called right before a commit. */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
}

export interface Finding {
  readonly where: string;
  readonly fault: string;
  readonly remedy?: string | undefined;
  /** True if `check` with `repair` repairs it. */
  readonly repairable?: boolean | undefined;
  readonly done?: string | undefined;
}

export interface SolverValue {
  readonly solver: string;
  readonly key: string;
  readonly value: unknown;
}

export interface Initialized {
  /** What was made, in words; empty when nothing was missing. */
  readonly done: readonly string[];
  /** What `grants` are good for, as a line that ends with a colon. */
  readonly grantees?: string | undefined;
  /** What an administrator runs or attaches, so that another user can work with the state. */
  readonly grants: readonly string[];
}

/** `post` hooks that a run still has to execute, by the run's id. */
export type PendingHooks = Readonly<Record<string, readonly PendingHook[]>>;
/** `certificate` is the name of the first one of the run that wants it; the first release did not keep it. */
export type PendingHook = HookSetting & { readonly certificate?: string | undefined };

export interface Store {
  /** Where the state is kept, for messages. */
  readonly where: string;
  /** False before the first write, or when it is looked for in the wrong place. */
  exists(): Promise<boolean>;
  /** Make what the state needs before its first use, or bring it up to date. */
  init(): Promise<Initialized>;
  /** Write and remove a probe: a `machine` Problem when nothing can be written. */
  checkWritable(): Promise<void>;
  /** Look for damage that copying, restoring and changes by hand cause; repair what can be repaired offline. */
  check(options: { repair: boolean }): Promise<readonly Finding[]>;
  readonly accounts: {
    list(): Promise<readonly StoredAccount[]>;
    /** The accounts of one directory URL; the usable one first. */
    ofDirectory(directory: string): Promise<readonly StoredAccount[]>;
    /** Writes the key durably. `id` is the key's thumbprint; an account that exists is not changed. */
    create(
      account: Pick<AccountRecord, "id" | "directory" | "contact"> & { key: string },
    ): Promise<StoredAccount>;
    update(
      account: StoredAccount,
      change: Partial<Omit<AccountRecord, "id" | "directory">>,
    ): Promise<StoredAccount>;
    /** Phase one of a rollover: the next key is durable. Phase two: it becomes the key. */
    beginRollover(account: StoredAccount, nextKey: string): Promise<StoredAccount>;
    finishRollover(account: StoredAccount): Promise<StoredAccount>;
    abandonRollover(account: StoredAccount): Promise<StoredAccount>;
  };
  readonly certificates: {
    names(): Promise<readonly string[]>;
    read(name: string): Promise<StoredCertificate | undefined>;
    /** One by one, as `read` answers them. */
    list(options?: ListOptions): AsyncIterable<StoredCertificate | BrokenCertificate>;
    /** Those due before `due`, and those to look at before `look`, most urgent first. Without an index, all. */
    due(before: { due: Date; look: Date }): AsyncIterable<StoredCertificate | BrokenCertificate>;
    /** The one that falls due first of those due after `time`; undefined without an index, or if there is none. */
    nextDue(time: Date): Promise<{ readonly name: string; readonly at: Date } | undefined>;
    count(): Promise<number>;
    /** The names of other certificates that may be for exactly the same names: an edit by hand may be noticed only by the next `list`. */
    namesakes(
      certificate: Pick<CertificateRequest, "name" | "identifiers">,
    ): Promise<readonly string[]>;
    /** What an earlier run noted; undefined unless it is known that no certificate has changed since. */
    recall(): Promise<unknown>;
    /** Note what this run concluded from the certificates as they were at its last `recall`. May be forgotten. */
    note(conclusion: unknown): Promise<void>;
    /** Where servers find the held certificate; undefined when none is held. A backend without files writes them first. */
    files(name: string, held?: HeldCertificate): Promise<CertificateFiles | undefined>;
    /** The same for hooks that were written for certbot, lego and acme.sh. */
    foreignFiles(name: string): Promise<ForeignFiles | undefined>;
    saveRequest(request: CertificateRequest): Promise<void>;
    /** Durable when this resolves; with `mayBeLost`, a loss of power may bring the status before back. */
    updateStatus(
      name: string,
      change: (status: CertificateStatus) => CertificateStatus,
      options?: { readonly mayBeLost?: boolean | undefined },
    ): Promise<CertificateStatus>;
    /** All of the version or nothing of it; `lock.assertHeld()` is called right before it is put to use. */
    commit(name: string, version: NewVersion, lock: Lock): Promise<HeldCertificate>;
    /** Calls `listener` when a run commits a version, until the function that it returns is called; where the backend can. Some may be missed. */
    onCommit?(listener: () => void): () => void;
    /** Keep another form of the certificate in a version's folder, by its place among those that the CA announced. */
    saveAlternate(name: string, version: number, place: number, pem: string): Promise<void>;
    /** Keep what cannot be used beside the versions; answers where. */
    keepRefused(name: string, refused: RefusedCertificate): Promise<string>;
    /** With the type of the second key, that one; as `readCertificate`. */
    readPrivateKey(name: string, second?: string): Promise<string | undefined>;
    /** A key that was announced before a certificate is issued for it, by its type. */
    readNextKey(name: string, keyType: KeyType): Promise<string | undefined>;
    /** Durable when this resolves; without a key, it is removed. */
    saveNextKey(name: string, keyType: KeyType, privateKey: string | undefined): Promise<void>;
    readCertificate(
      name: string,
      second?: string,
    ): Promise<{ certificate: string; chain: string } | undefined>;
    /** Everything that is kept of its versions, the oldest first. */
    versions(name: string): Promise<readonly WholeVersion[]>;
    /** What `keepRefused` kept, the oldest first. */
    refused(name: string): Promise<readonly RefusedCertificate[]>;
    remove(name: string): Promise<void>;
  };
  readonly journal: {
    names(): Promise<readonly string[]>;
    read(name: string): Promise<PendingOrder | undefined>;
    write(pending: PendingOrder): Promise<void>;
    remove(name: string): Promise<void>;
  };
  /** By directory URL. It helps to stay below limits, so a broken one counts as empty. What is not `about` may be left out. */
  readonly ledger: {
    read(directory: string, about?: About): Promise<Ledger>;
    update(
      directory: string,
      change: (ledger: Ledger) => Ledger | Promise<Ledger>,
      about?: About,
    ): Promise<Ledger>;
  };
  /** What hosts have of certificates; `certificates.read` and `list` answer it. It goes with the certificate. */
  readonly hosts: {
    /** Replaces what was known of that host and certificate. Of a certificate that is not in the store nothing is kept. */
    record(name: string, record: HostRecord): Promise<void>;
    /** What a host has of this certificate, or of all. */
    forget(host: string, name?: string): Promise<void>;
  };
  readonly pendingHooks: {
    list(): Promise<PendingHooks>;
    /** Durable when this resolves. */
    add(run: string, hook: PendingHook): Promise<void>;
    remove(run: string): Promise<void>;
  };
  /** Responses to challenges, for every host that shares the state. */
  readonly answers: {
    /** Every later `list` has it when this resolves, for `lifetime` milliseconds. Replaces one of the same key. */
    put(answer: Answer, lifetime: number): Promise<void>;
    /** Those that have not ended, in any order. */
    list(): Promise<readonly Answer[]>;
    /** Succeeds when there is none. */
    remove(answer: AnswerKey): Promise<void>;
  };
  /** JSON that a solver keeps, by the solver's name. A value of `undefined` removes the key. */
  solverState(solver: string): SolverState;
  /** What all solvers keep. */
  solverValues(): Promise<readonly SolverValue[]>;
  /** `name` is `certificate:<name>`, `account:<directory>` or the like. `wait` in milliseconds; 0 rejects at once with `locked`. */
  lock(
    name: string,
    options: {
      wait: number;
      signal: AbortSignal;
      onWait?: ((holder: string) => void) | undefined;
    },
  ): Promise<Lock>;
  /** True while a run has the lock `name`, as far as can be seen. Changes nothing. */
  isLocked(name: string): Promise<boolean>;
  /**
   * Of these certificates, in this order, the first that no run works on and that is due before `due`, locked for this one:
   * the next `lock` of it here gets that lock at once. Never waits. Without an index, due or not.
   */
  claim(names: readonly string[], due: Date | undefined): Promise<Claim | undefined>;
  /** Encrypt with the first state key what another one has encrypted; answers how many items. Can be repeated after it was stopped. */
  rekey(signal: AbortSignal): Promise<number>;
}

export interface Claim {
  readonly name: string;
  /** Gives it back, unless `lock` was called since. */
  release(): Promise<void>;
}
