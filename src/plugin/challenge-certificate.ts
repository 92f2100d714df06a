/** The certificate that answers a challenge (RFC 8737 §3): self-signed, for one identifier, with the digest in a critical extension. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { addressBytes } from "../address.ts";
import type { TlsAlpn01Challenge } from "../plugin.ts";

export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
}

export function challengeCertificate({
  identifier,
  digest,
}: Pick<TlsAlpn01Challenge, "identifier" | "digest">): KeyAndCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { type, value } = identifier;
  const name = type === "ip" ? der(0x87, addressBytes(value)) : der(0x82, Buffer.from(value));
  const extensions = [
    extension(subjectAltName, sequence(name)),
    extension(acmeIdentifier, octets(Buffer.from(digest, "hex")), true),
  ];
  const body = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(0x01), randomBytes(8)])),
    ecdsaWithSha256,
    subject,
    sequence(time(Date.now() - day), time(Date.now() + 7 * day)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  return { key: pemOf(privateKey), cert: certificatePem(body, privateKey) };
}

const day = 24 * 60 * 60 * 1000;

function certificatePem(body: Buffer, key: KeyObject): string {
  const signature = bitString(sign("sha256", body, key));
  const lines = sequence(body, ecdsaWithSha256, signature)
    .toString("base64")
    .replaceAll(/.{64}(?!$)/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function extension(id: Buffer, value: Buffer, critical = false): Buffer {
  const flag = critical ? [der(0x01, Buffer.of(0xff))] : [];
  return sequence(id, ...flag, octets(value));
}

function time(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  // RFC 5280 §4.1.2.5: UTCTime through 2049.
  return text < "2050" ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function octets(value: Buffer): Buffer {
  return der(0x04, value);
}

function integer(value: Buffer): Buffer {
  return der(0x02, value);
}

function bitString(value: Buffer): Buffer {
  return der(0x03, Buffer.concat([Buffer.of(0), value]));
}

function der(tag: number, value: Buffer): Buffer {
  const { length } = value;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), value]);
  const size = length < 0x1_00 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length);
  return Buffer.concat([Buffer.of(tag), size, value]);
}

const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
/** 1.3.6.1.5.5.7.1.31 */
const acmeIdentifier = oid("2b0601050507011f");
/** 2.5.29.17 */
const subjectAltName = oid("551d11");
/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"));
/** CN=acmectl tls-alpn-01: an issuer must have a name (RFC 5280 §4.1.2.4). */
const subject = sequence(
  der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from("acmectl tls-alpn-01")))),
);
