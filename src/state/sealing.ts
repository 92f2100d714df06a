/** Private keys are encrypted before they leave the process for a state that others can reach: AES-256-GCM, a nonce for each. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { Problem } from "../problem.ts";

/** What a secret is. It is authenticated with it, so that no secret can be put in another's place. */
export interface Sealed {
  /** E.g. `certificate key`. */
  readonly kind: string;
  readonly name: string;
  readonly version?: string | number | undefined;
}

export interface Sealing {
  /** How a text begins that the first key has encrypted; undefined without a key. */
  readonly mark: string | undefined;
  readonly seal: (text: string, what: Sealed) => string;
  /** Throws a `machine` Problem when none of the keys opens it. */
  readonly open: (sealed: string, what: Sealed) => string;
}

interface StateKey {
  readonly id: string;
  readonly bytes: Buffer;
}

/**
 * The first key encrypts, each of them decrypts what it encrypted. Texts that are not encrypted are refused, unless `plain`
 * says that there may be some. What needs no key can be done without.
 */
export function openSealing(
  texts: readonly string[],
  { plain = false }: { plain?: boolean | undefined } = {},
): Sealing {
  const keys = texts.map((text) => stateKeyOf(text));
  const [first] = keys;
  return {
    mark: first && `${header}.${first.id}.`,
    seal(text, what) {
      if (first !== undefined) return encrypted(text, what, first);
      if (!plain) throw noKey(what);
      return text;
    },
    open(sealed, what) {
      const parts = partsOf(sealed);
      if (parts === undefined) {
        if (!plain) throw notEncrypted(what);
        return sealed;
      }
      const key = keys.find(({ id }) => id === parts.id);
      if (key === undefined) throw keyMissing(what, parts.id, keys);
      return decrypted(parts, what, key);
    },
  };
}

/** `acmectl1.<key id>.<nonce>.<tag>.<encrypted>`, the last three in base64url. */
const header = "acmectl1";

function encrypted(text: string, what: Sealed, { id, bytes }: StateKey): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", bytes, nonce).setAAD(associatedData(id, what));
  const content = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  const parts = [nonce, cipher.getAuthTag(), content].map((part) => part.toString("base64url"));
  return [header, id, ...parts].join(".");
}

interface Parts {
  readonly id: string;
  readonly nonce: Buffer;
  readonly tag: Buffer;
  readonly content: Buffer;
}

function partsOf(sealed: string): Parts | undefined {
  const [mark, id = "", nonce = "", tag = "", content = ""] = sealed.split(".");
  if (mark !== header) return undefined;
  return { id, nonce: bytesOf(nonce), tag: bytesOf(tag), content: bytesOf(content) };
}

const bytesOf = (part: string) => Buffer.from(part, "base64url");

function decrypted({ id, nonce, tag, content }: Parts, what: Sealed, { bytes }: StateKey): string {
  try {
    const decipher = createDecipheriv("aes-256-gcm", bytes, nonce, { authTagLength: 16 });
    decipher.setAAD(associatedData(id, what)).setAuthTag(tag);
    return Buffer.concat([decipher.update(content), decipher.final()]).toString("utf8");
  } catch (error) {
    throw new Problem("machine", {
      detail: `${phrase(what)} was changed in the state, or moved there from another place: it cannot be decrypted.`,
      hint: "Restore it from a backup, and find out who can write to the state.",
      retryable: false,
      cause: error,
    });
  }
}

function associatedData(id: string, { kind, name, version = "" }: Sealed): Buffer {
  return Buffer.from(JSON.stringify([header, id, kind, name, `${version}`]));
}

/** 32 bytes in base64 or as 64 hexadecimal digits. */
function stateKeyOf(text: string): StateKey {
  const trimmed = text.trim();
  const isHex = /^[0-9a-f]{64}$/i.test(trimmed);
  const isBase64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed);
  if (!isHex && !isBase64)
    throw new Problem("usage", {
      detail: "The state key is not 32 bytes in base64 or as 64 hexadecimal digits.",
      hint: "Make one, keep a copy in a safe place, and give it by reference: openssl rand -base64 32",
    });
  const bytes = Buffer.from(trimmed, isHex ? "hex" : "base64");
  const id = createHash("sha256").update("acmectl state key\0").update(bytes).digest("hex");
  return { id: id.slice(0, 16), bytes };
}

function phrase({ kind, name }: Sealed): string {
  return `The ${kind} of ${name}`;
}

function keyMissing(what: Sealed, id: string, keys: readonly StateKey[]): Problem {
  const known = keys.length === 0 ? "no state key was given" : "it is not among the state keys";
  return new Problem("machine", {
    detail: `${phrase(what)} is encrypted with the state key ${id}, and ${known}.`,
    hint: "Give that key with --state-key or stateKey in the config; after a rotation the old one behind the new one.",
    retryable: false,
  });
}

function noKey(what: Sealed): Problem {
  return new Problem("usage", {
    detail: `${phrase(what)} must be encrypted in a shared state, and no state key was given.`,
    hint: "Make a key with `openssl rand -base64 32`, keep a copy of it, and give it by reference, e.g. --state-key file:/etc/acmectl/state.key; or allow plain keys with --state-unencrypted.",
  });
}

function notEncrypted(what: Sealed): Problem {
  return new Problem("machine", {
    detail: `${phrase(what)} is not encrypted in the shared state.`,
    hint: "If it was stored with --state-unencrypted, add that option to read it; otherwise find out who can write to the state.",
    retryable: false,
  });
}

/** For a rotation without one. */
export function noKeyGiven(): Problem {
  return new Problem("usage", {
    detail: "No state key was given, so nothing can be encrypted with it.",
    hint: "Give the new key first and the old one behind it: --state-key file:/etc/acmectl/new.key --state-key file:/etc/acmectl/old.key",
  });
}
