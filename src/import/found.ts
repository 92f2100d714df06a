/** The contents of another client's folder, in acmectl's terms. Readers make it; they write nothing. */
import type { CertificateRequest, HookSetting, KeyType, SolverSelector } from "../certificate.ts";
import type { ChallengeType } from "../plugin.ts";
import { asProblem } from "../problem.ts";

export interface Found {
  readonly accounts: readonly FoundAccount[];
  readonly certificates: readonly FoundCertificate[];
  /** What cannot be imported at all. */
  readonly left: readonly Left[];
}
export interface Left {
  /** A file, a folder, or a name. */
  readonly what: string;
  readonly why: string;
}

/** Reads each item, and keeps why some cannot be read: the reader returns that, or throws a Problem. */
export async function readEach<Item, Read extends object>(
  items: readonly Item[],
  placeOf: (item: Item) => string,
  read: (item: Item) => Promise<Read | Left>,
): Promise<{ readonly found: readonly Read[]; readonly left: readonly Left[] }> {
  const found: Read[] = [];
  const left: Left[] = [];
  for (const item of items) {
    try {
      const one = await read(item);
      if ("why" in one) left.push(one);
      else found.push(one);
    } catch (error) {
      left.push({ what: placeOf(item), why: asProblem(error).message });
    }
  }
  return { found, left };
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
  /** The request, except names, key and issuer. */
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
  /** What was not imported, and what the user has to do. */
  readonly notes: readonly string[];
}

export interface FoundPems {
  /** Leaf first; the chain behind it or in `chain`. */
  readonly certificate: string;
  readonly chain?: string | undefined;
  readonly key: string;
  /** The certificate's file. */
  readonly source: string;
}

/** The acmectl solver that is equivalent to the other client's. */
export interface FoundSolver {
  /** As for `--solver`. */
  readonly use: string;
  readonly options: Readonly<Record<string, FoundOption | undefined>>;
  readonly select?: SolverSelector | undefined;
  /** What the client has saved as this variable, for options whose plugin declares it. */
  readonly saved?: (variable: string) => FoundOption | undefined;
  readonly challenge?: ChallengeType | undefined;
}
export interface Answering {
  readonly solvers: readonly FoundSolver[];
  readonly notes: readonly string[];
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

/** acmectl's own web server, where the other client had one. */
export function standalone(
  port: string | undefined,
  address: string | undefined,
  use: "standalone" | "tls-alpn" = "standalone",
): FoundSolver {
  const usual = use === "standalone" ? "80" : "443";
  return {
    use,
    options: {
      port: port === undefined || port === usual ? undefined : { value: port },
      address: address === undefined ? undefined : { value: [address] },
    },
  };
}

export const rsaTypes: Readonly<Record<string, KeyType>> = {
  "2048": "rsa2048",
  "3072": "rsa3072",
  "4096": "rsa4096",
};

/** The directory of a certificate: Let's Encrypt where none is stored, which has ended version 1 of ACME. */
export function directoryFrom(server: string | undefined): string {
  const directory = server ?? "https://acme-v02.api.letsencrypt.org/directory";
  return directory.replace("//acme-v01.api.", "//acme-v02.api.");
}

/** Without events for which there is no hook. */
export function hooksFrom(
  lists: Readonly<Record<"pre" | "deploy" | "post", HookSetting[]>>,
): CertificateRequest["hooks"] {
  return Object.fromEntries(Object.entries(lists).filter(([, hooks]) => hooks.length > 0));
}

export const withoutKey = "its key does not exist: it was issued for a signing request (CSR)";

export function waitNote(seconds: string): string {
  return `The wait of ${seconds} seconds was not imported: acmectl checks the name servers instead of waiting.`;
}

/** The contact of an account by e-mail (RFC 8555 §7.3). */
export function contactOf(email: string | undefined): readonly string[] {
  return email === undefined ? [] : [`mailto:${email}`];
}
