/** A version of a certificate in a shared state, its private keys encrypted until they are asked for. */
import type { VersionMeta } from "../../certificate.ts";
import type { Sealing } from "../sealing.ts";
import type { Store } from "../store.ts";

export interface Version extends Part {
  readonly number: number;
  readonly meta: VersionMeta;
  /** Of the second key. */
  readonly second?: Part | undefined;
}
interface Part {
  readonly certificate: string;
  readonly chain: string;
  /** Decrypts it. */
  readonly privateKey: () => string | undefined;
}

/** As it is stored. */
export interface StoredVersion extends StoredPart {
  readonly number: number;
  readonly meta: VersionMeta;
  readonly second?: StoredPart | null | undefined;
}
export interface StoredPart {
  readonly certificate: string;
  readonly chain: string;
  readonly privateKey?: string | null | undefined;
}

export function openVersion(name: string, stored: StoredVersion, sealing: Sealing): Version {
  const { number, meta, second } = stored;
  const partOf = ({ certificate, chain, privateKey }: StoredPart, type?: string): Part => ({
    certificate,
    chain,
    privateKey: () =>
      privateKey == null ? undefined : sealing.open(privateKey, keyOf(name, number, type)),
  });
  return {
    number,
    meta,
    ...partOf(stored),
    second: second == null ? undefined : partOf(second, meta.second?.keyType),
  };
}

/** What a certificate's key is encrypted as; with the type of the second key, that one. */
export function keyOf(name: string, version: number, second?: string) {
  const kind = second === undefined ? "certificate key" : `${second} certificate key`;
  return { kind, name, version };
}

/** What of the held version is read alone. */
export function heldParts(
  readVersion: (name: string) => Promise<Version | undefined>,
): Pick<Store["certificates"], "readCertificate" | "readPrivateKey"> {
  const part = async (name: string, second: string | undefined) => {
    const version = await readVersion(name);
    return second === undefined ? version : version?.second;
  };
  return {
    readPrivateKey: async (name, second) => (await part(name, second))?.privateKey(),
    async readCertificate(name, second) {
      const found = await part(name, second);
      return found && { certificate: found.certificate, chain: found.chain };
    },
  };
}
