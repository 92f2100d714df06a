import * as x509 from "@peculiar/x509";
import { createHash } from "node:crypto";
import { once } from "node:events";
import tls from "node:tls";
import { addressesOf, patience, type Validate } from "./dns.ts";
import { serverNameOf } from "../../address.ts";
import { messageOf } from "../../errors.ts";
import { AcmeProblem, canonicalAddress, type Identifier } from "../acme-problem.ts";

/** tls-alpn-01 (RFC 8737 §3, RFC 8738 §6): a self-signed certificate for the one name, with the digest in acmeIdentifier. */
export const validateTlsAlpn: Validate = async (proof, settings, signal) => {
  const { identifier } = proof;
  const [address] = await addressesOf(identifier.value, settings);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
  const servername = serverNameOf(identifier);
  const der = await presented(address ?? "127.0.0.1", settings.tlsPort, servername, limit);
  const digest = createHash("sha256").update(proof.keyAuthorization).digest();
  await checkCertificate(new x509.X509Certificate(der), identifier, digest);
};

const protocol = "acme-tls/1";
const acmeIdentifier = "1.3.6.1.5.5.7.1.31";

/** Connects, checks the negotiated protocol and returns the server's certificate in DER. */
async function presented(
  host: string,
  port: number,
  servername: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const socket = tls.connect({
    host,
    port,
    servername,
    ALPNProtocols: [protocol],
    minVersion: "TLSv1.2",
    rejectUnauthorized: false,
  });
  try {
    await once(socket, "secureConnect", { signal });
  } catch (error) {
    socket.on("error", () => undefined).destroy();
    const why = signal.aborted ? "no answer in time" : messageOf(error);
    throw new AcmeProblem("connection", `No TLS connection for ${servername}: ${why}.`);
  }
  const agreed = socket.alpnProtocol;
  const raw = socket.getPeerX509Certificate()?.raw;
  socket.on("error", () => undefined).destroy();
  if (agreed === protocol && raw !== undefined) return new Uint8Array(raw);
  throw unauthorized(servername, `negotiated ALPN ${String(agreed)}, not ${protocol}`);
}

async function checkCertificate(
  certificate: x509.X509Certificate,
  identifier: Identifier,
  digest: Buffer,
): Promise<void> {
  const why =
    ((await certificate.isSelfSigned()) ? undefined : "that is not self-signed") ??
    faultOfNames(certificate, identifier) ??
    faultOfProof(certificate.getExtensions(acmeIdentifier), digest);
  if (why !== undefined) throw unauthorized(identifier.value, `presented a certificate ${why}`);
}

function faultOfNames(
  certificate: x509.X509Certificate,
  identifier: Identifier,
): string | undefined {
  const extension = certificate.getExtension(x509.SubjectAlternativeNameExtension);
  const names = extension?.names.items ?? [];
  const [name] = names;
  if (names.length === 1 && name !== undefined && isFor(name, identifier)) return undefined;
  return `for "${names.map((each) => each.value).join(", ")}"; exactly the identifier was expected`;
}

function faultOfProof(found: readonly x509.Extension[], digest: Buffer): string | undefined {
  const [proof] = found;
  if (proof === undefined || found.length > 1) return "without one acmeIdentifier extension";
  if (!proof.critical) return "whose acmeIdentifier extension is not critical";
  const octets = Buffer.concat([Buffer.from([0x04, 0x20]), digest]);
  return octets.equals(Buffer.from(proof.value)) ? undefined : "with a wrong key authorization";
}

function isFor(name: x509.GeneralName, identifier: Identifier): boolean {
  if (identifier.type === "dns")
    return name.type === "dns" && name.value.toLowerCase() === identifier.value;
  return name.type === "ip" && canonicalAddress(name.value) === canonicalAddress(identifier.value);
}

function unauthorized(name: string, why: string): AcmeProblem {
  return new AcmeProblem("unauthorized", `The server for ${name} ${why}.`);
}
