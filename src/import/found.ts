/** What another client's folder holds, in acmectl's words. Readers make it; they write nothing. */
import type { CertificateRequest, KeyType, SolverSelector } from "../certificate.ts";

export interface Found {
  readonly accounts: readonly FoundAccount[];
  readonly certificates: readonly FoundCertificate[];
  /** What cannot be taken at all. */
  readonly left: readonly Left[];
}
export interface Left {
  /** A file, a folder, or a name. */
  readonly what: string;
  readonly why: string;
}

export interface FoundAccount {
  /** The thumbprint of its key. */
  readonly id: string;
  readonly directory: string;
  /** PKCS#8 PEM. */
  readonly key: string;
  /** Absent where the other client did not write it down; the CA finds it by the key. */
  readonly url?: string | undefined;
  readonly contact: readonly string[];
  /** The folder or file it stands in. */
  readonly source: string;
}

export interface FoundCertificate {
  readonly name: string;
  readonly source: string;
  readonly directory: string;
  /** The id of the account that it was issued by, where that is known. */
  readonly account?: string | undefined;
  readonly pems: FoundPems;
  /** The kind of key that the other client would make next; that of the key held when absent. */
  readonly keyType?: KeyType | undefined;
  /** What the request says beside names, key and issuer. */
  readonly settings: Partial<
    Pick<
      CertificateRequest,
      "reuseKey" | "profile" | "profileRequired" | "preferredChain" | "outputs" | "hooks"
    >
  >;
  readonly solvers: readonly FoundSolver[];
  readonly certificateUrl?: string | undefined;
  readonly orderUrl?: string | undefined;
  /** PEM file of further roots that the other client trusted for the CA's server. */
  readonly caBundle?: string | undefined;
  /** What was not taken over, or asks for something of the user's. */
  readonly notes: readonly string[];
}

/** Texts of PEM files. */
export interface FoundPems {
  /** Leaf first; the chain behind it or in `chain`. */
  readonly certificate: string;
  readonly chain?: string | undefined;
  readonly key: string;
  /** The certificate's file. */
  readonly source: string;
}

/** A solver of acmectl's that does what the other client did. */
export interface FoundSolver {
  /** What the registry resolves. */
  readonly use: string;
  readonly options: Readonly<Record<string, FoundOption>>;
  readonly select?: SolverSelector | undefined;
}
export interface FoundOption {
  readonly value: string | boolean | readonly string[] | Readonly<Record<string, string>>;
  /** Where it can be read again, for a secret. */
  readonly at?: SecretPlace | undefined;
}
/** A line of another client's file; the sed script prints its value alone. */
export interface SecretPlace {
  readonly file: string;
  readonly key: string;
  readonly script?: string | undefined;
}
