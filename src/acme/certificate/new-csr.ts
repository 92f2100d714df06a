import type { KeyType } from "../../certificate.ts";
import type { Identifier } from "../../plugin.ts";
import type { Signer } from "../signer.ts";
import { addressBytes, encode, fieldOf, identifierBytes, plainFieldOf, tags } from "./der.ts";

/** A request (PKCS#10, RFC 2986) in DER with an empty subject: all names are in the subject alternative name extension. */
export async function createCsr(
  signer: Signer,
  identifiers: readonly Identifier[],
  { mustStaple = false }: { mustStaple?: boolean | undefined } = {},
): Promise<Uint8Array> {
  const publicKey = signer.publicKey.export({ type: "spki", format: "der" });
  const names = sequence(object("2.5.29.17"), encode(tags.octetString, namesOf(identifiers)));
  const extensions = mustStaple ? sequence(names, stapling) : sequence(names);
  const extensionRequest = sequence(object("1.2.840.113549.1.9.14"), encode(tags.set, extensions));
  const version = encode(tags.integer, Buffer.from([0]));
  const info = sequence(version, sequence(), publicKey, encode(fieldOf(0), extensionRequest));
  const signature = encode(tags.bitString, Buffer.from([0]), await signer.sign(info));
  return sequence(info, algorithmOf(signer.type), signature);
}

const sequence = (...parts: readonly Uint8Array[]) => encode(tags.sequence, ...parts);
const object = (dotted: string) => encode(tags.objectIdentifier, identifierBytes(dotted));

/** RFC 7633: TLS feature 5, status_request. */
const stapling = sequence(
  object("1.3.6.1.5.5.7.1.24"),
  encode(tags.octetString, sequence(encode(tags.integer, Buffer.from([5])))),
);

function namesOf(identifiers: readonly Identifier[]): Buffer {
  const names = identifiers.map(({ type, value }) =>
    type === "ip"
      ? encode(plainFieldOf(7), addressBytes(value))
      : encode(plainFieldOf(2), Buffer.from(value, "latin1")),
  );
  return sequence(...names);
}

/** RFC 5758 §3.2, RFC 4055 §5. */
function algorithmOf(type: KeyType): Buffer {
  if (type === "ec256") return sequence(object("1.2.840.10045.4.3.2"));
  if (type === "ec384") return sequence(object("1.2.840.10045.4.3.3"));
  return sequence(object("1.2.840.113549.1.1.11"), encode(tags.null));
}
