import tls from "node:tls";
import { X509Certificate, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { acceptCertificate, type Expected } from "../../src/acme/certificate/accept.ts";
import { chooseChain } from "../../src/acme/certificate/chain.ts";
import { certificateId, serialOf } from "../../src/acme/certificate/extensions.ts";
import { Problem } from "../../src/problem.ts";
import { dns } from "./world.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const now = new Date("2026-06-01T00:00:00Z");
const day = 86_400_000;
const at = (days: number) => new Date(now.getTime() + days * day);

interface Pair {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
}
let root: Pair;
let intermediate: Pair;
let stranger: Pair;
let keys: webcrypto.CryptoKeyPair;
let expected: Expected;

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

async function authority(name: string, issuer?: Pair, ca = true): Promise<Pair> {
  const own = await newKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    publicKey: own.publicKey,
    signingKey: (issuer?.keys ?? own).privateKey,
    signingAlgorithm: algorithm,
    notBefore: at(-100),
    notAfter: at(1000),
    extensions: [new x509.BasicConstraintsExtension(ca, undefined, true)],
  });
  return { keys: own, certificate };
}

interface Leaf {
  names?: x509.JsonGeneralNames;
  notBefore?: Date;
  notAfter?: Date;
  serial?: string;
  publicKey?: webcrypto.CryptoKey;
  issuer?: Pair;
  signer?: Pair;
  extensions?: x509.Extension[];
}

async function leaf(how: Leaf = {}): Promise<x509.X509Certificate> {
  const { issuer = intermediate, signer = issuer } = how;
  return x509.X509CertificateGenerator.create({
    subject: "",
    issuer: issuer.certificate.subject,
    publicKey: how.publicKey ?? keys.publicKey,
    signingKey: signer.keys.privateKey,
    signingAlgorithm: algorithm,
    serialNumber: how.serial ?? "01ab",
    notBefore: how.notBefore ?? at(-1),
    notAfter: how.notAfter ?? at(89),
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        how.names ?? [
          { type: "dns", value: "example.com" },
          { type: "ip", value: "2001:db8::1" },
        ],
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
      ...(how.extensions ?? [
        new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"]),
        new x509.BasicConstraintsExtension(false),
      ]),
    ],
  });
}

const pem = (...certificates: x509.X509Certificate[]) =>
  certificates.map((certificate) => `${certificate.toString("pem")}\n`).join("");
const chain = (text: string) => ({ url: "https://ca.example/cert/1", pem: text });

function why(text: string, changes: Partial<Expected> = {}): string {
  try {
    acceptCertificate(chain(text), { ...expected, ...changes });
  } catch (error) {
    if (!Problem.is(error)) throw error;
    expect([error.is("protocol"), error.exitCode]).toEqual([true, 4]);
    return error.message;
  }
  return "accepted";
}

beforeAll(async () => {
  root = await authority("Test Root");
  intermediate = await authority("Test Intermediate", root);
  stranger = await authority("Test Intermediate", await authority("Test Root"));
  keys = await newKeys();
  const spki = Buffer.from(await webcrypto.subtle.exportKey("spki", keys.publicKey));
  expected = {
    publicKey: spki,
    identifiers: [{ type: "ip", value: "2001:db8::1" }, dns("example.com")],
    now,
  };
});

test("a certificate without must-staple is warned about where it was asked for", async () => {
  const features = (der: string) =>
    new x509.Extension("1.3.6.1.5.5.7.1.24", false, Buffer.from(der, "hex"));
  const warningsOf = async (extensions: x509.Extension[], more: Partial<Expected>) => {
    const text = pem(await leaf({ extensions }), intermediate.certificate);
    return acceptCertificate(chain(text), { ...expected, ...more }).warnings;
  };
  expect(await warningsOf([], {})).toEqual([]);
  for (const with5 of ["3003020105", "3006020111020105"])
    expect(await warningsOf([features(with5)], { stapling: true })).toEqual([]);
  const leftOut = ["the CA left out must-staple, which was asked for"];
  expect(await warningsOf([], { stapling: true })).toEqual(leftOut);
  for (const without5 of ["3003020111", "300402020500"])
    expect(await warningsOf([features(without5)], { stapling: true })).toEqual(leftOut);
});

describe("an accepted certificate", () => {
  test("an accepted certificate is encoded again from its DER, without root, comments and CRLF", async () => {
    const one = await leaf({ serial: "87654321" });
    const text = pem(one, intermediate.certificate, root.certificate);
    const dirty = `subject=evil\n${text.replaceAll("\n", "\r\n")}\n# junk \u001b[31m`;
    const accepted = acceptCertificate(chain(dirty), expected);
    const node = new X509Certificate(one.toString("pem"));
    expect(accepted).toMatchObject({
      leaf: `${one.toString("pem")}\n`,
      chain: `${intermediate.certificate.toString("pem")}\n`,
      serial: "0087654321",
      issuer: "Test Intermediate",
      notBefore: at(-1),
      notAfter: at(89),
      fingerprint: node.fingerprint256.replaceAll(":", "").toLowerCase(),
    });
    expect(accepted.ariId).toMatch(/^[\w-]+\.AIdlQyE$/);
  });

  test("a certificate without a chain and without an extended key usage is accepted", async () => {
    expect(acceptCertificate(chain(pem(await leaf({ extensions: [] }))), expected).chain).toBe("");
  });
});

describe("a certificate that is odd", () => {
  test("a certificate that says explicitly that it is not a CA is accepted", async () => {
    const no = new x509.Extension("2.5.29.19", true, Buffer.from("3003010100", "hex"));
    expect(why(pem(await leaf({ extensions: [no] })))).toBe("accepted");
  });

  /** The same certificate with another algorithm: both numbers have one length. */
  const swapped = (certificate: x509.X509Certificate, from: string, to: string) => {
    const der = Buffer.from(certificate.rawData).toString("hex").replaceAll(from, to);
    return new X509Certificate(Buffer.from(der, "hex")).toString();
  };
  const ecKey = "2a8648ce3d0201";
  const strangeKey = "2a8648ce3d0209";
  const ecdsa = "2a8648ce3d040302";
  const strangeSignature = "2a8648ce3d040377";
  const accept = (text: string, more: Partial<Expected> = {}) =>
    acceptCertificate(chain(text), { ...expected, ...more });

  test("names that the CA added are accepted with a warning", async () => {
    const names = [
      { type: "dns", value: "www.example.com" },
      { type: "dns", value: "example.com" },
      // As many bytes as an IPv4 address.
      { type: "email", value: "a@bc" },
      { type: "id", value: "1.2.3.4" },
      { type: "ip", value: "2001:db8::1" },
    ] as const;
    const accepted = accept(pem(await leaf({ names: [...names] }), intermediate.certificate));
    expect(accepted.added).toEqual([dns("www.example.com")]);
    expect(accepted.warnings).toEqual([
      "the CA added www.example.com, email a@bc, name of another kind 2a0304 to the certificate, which was not ordered",
    ]);
  });

  test("a key of an unknown algorithm is compared as it is written", async () => {
    const text = swapped(await leaf(), ecKey, strangeKey);
    const hex = Buffer.from(expected.publicKey).toString("hex").replace(ecKey, strangeKey);
    const publicKey = Buffer.from(hex, "hex");
    expect(() => new X509Certificate(text).publicKey).toThrow();
    expect(accept(text, { publicKey }).warnings).toEqual([]);
    expect(why(text)).toMatch(/another key than ours/);
  });

  test("a link that Node.js cannot verify is accepted with a warning, also without an AKI", async () => {
    const one = await leaf();
    const unsigned = accept(swapped(one, ecdsa, strangeSignature) + pem(intermediate.certificate));
    expect(unsigned.warnings).toEqual([
      "its certificate 1 was not verified: its signature algorithm (1.2.840.10045.4.3.119) is not known to this Node.js",
    ]);
    const strangeIssuer = swapped(intermediate.certificate, ecKey, strangeKey);
    const below = accept(pem(one) + strangeIssuer + swapped(root.certificate, ecKey, strangeKey));
    expect(below.warnings).toHaveLength(2);
    expect(below.warnings[0]).toMatch(/certificate 1 was not verified: the key of its issuer/);
    // The root is left out whatever its key is.
    expect(below.chain).toBe(strangeIssuer);
  });
});

describe("refused certificates", () => {
  test.each<[string, Leaf, RegExp]>([
    [
      "for a name too few",
      { names: [{ type: "dns", value: "example.com" }] },
      /it lacks 2001:db8::1/,
    ],
    [
      "for other names",
      { names: [{ type: "email", value: "a@b.c" }] },
      /it lacks 2001:db8::1, example\.com/,
    ],
    ["that begins in the future", { notBefore: at(1) }, /valid only from 2026-06-02/],
    ["that has ended", { notBefore: at(-9), notAfter: at(-1) }, /expired at 2026-05-31/],
    [
      "that is a CA",
      { extensions: [new x509.BasicConstraintsExtension(true, undefined, true)] },
      /a CA's certificate/,
    ],
    [
      "for clients only",
      { extensions: [new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.2"])] },
      /not for TLS servers/,
    ],
  ])("a certificate is refused %s", async (_, how, message) => {
    expect(why(pem(await leaf(how), intermediate.certificate))).toMatch(message);
  });

  test.each([-1, 89])("a certificate is refused if its date on day %i is not one", async (days) => {
    const date = at(days)
      .toISOString()
      .replaceAll(/^20|\D/g, "")
      .slice(0, 6);
    const text = Buffer.from((await leaf()).rawData).toString("latin1");
    const der = Buffer.from(text.replace(date, `${date.slice(0, 2)}1399`), "latin1");
    expect(why(new X509Certificate(der).toString())).toMatch(/its validity cannot be read/);
  });

  test("a certificate for another key is refused", async () => {
    const { publicKey } = await newKeys();
    expect(why(pem(await leaf({ publicKey }), intermediate.certificate))).toMatch(
      /another key than ours/,
    );
  });

  test("a certificate is refused if its chain is foreign, forged, out of order, duplicated or too long", async () => {
    const one = await leaf();
    expect(why(pem(one, root.certificate))).toMatch(/certificate 1 is not issued by the next/);
    expect(why(pem(await leaf({ signer: stranger }), intermediate.certificate))).toMatch(
      /certificate 1 is not issued|signature of its certificate 1/,
    );
    expect(why(pem(one, root.certificate, intermediate.certificate))).toMatch(/not issued/);
    expect(why(pem(one, one))).toMatch(/twice/);
    const noCa = await authority("No CA", root, false);
    const below = await leaf({ issuer: noCa });
    expect(why(pem(below, noCa.certificate))).toMatch(/is not a CA|not issued/);
    expect(why(pem(one).repeat(11))).toMatch(/has 11 certificates/);
  });

  test("a chain with a private key or garbage, or without a certificate, is refused", async () => {
    const one = pem(await leaf(), intermediate.certificate);
    const key = "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n";
    expect(why(one + key)).toMatch(/a PEM block that is not a certificate/);
    expect(why(key + one)).toMatch(/a PEM block that is not a certificate/);
    expect(why(one.replace("-----END CERTIFICATE-----", ""))).toMatch(/PEM is broken/);
    expect(why("")).toMatch(/PEM is broken/);
    const followed = ({ rawData }: x509.X509Certificate, bytes: number) => {
      const der = Buffer.concat([Buffer.from(rawData), Buffer.alloc(bytes)]);
      return `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;
    };
    expect(why(followed(await leaf(), 8))).toMatch(/more than a certificate|not an X.509/);
    const issuer = followed(intermediate.certificate, 8);
    expect(why(pem(await leaf()) + issuer)).toMatch(/more than a certificate|not an X.509/);
    const large = followed(intermediate.certificate, 64 * 1024);
    expect(why(pem(await leaf()) + large)).toMatch(/over 64 KiB/);
    expect(why("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).toMatch(
      /not an X.509/,
    );
  });
});

test("an issuer of another name is refused, though its key signed the certificate", async () => {
  const renamed = { keys: intermediate.keys, certificate: await withName("Renamed") };
  expect(why(pem(await leaf(), renamed.certificate))).toContain("is not issued by the next one");

  async function withName(name: string) {
    return x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: root.certificate.subject,
      publicKey: intermediate.keys.publicKey,
      signingKey: root.keys.privateKey,
      signingAlgorithm: algorithm,
      notBefore: at(-100),
      notAfter: at(1000),
      extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
    });
  }
});

test("a certificate that a CA of the same name signed is not taken for a root, and stays", async () => {
  const old = await authority("Test Intermediate");
  const rolled = await authority("Test Intermediate", old);
  const accepted = acceptCertificate(
    chain(pem(await leaf({ issuer: rolled }), rolled.certificate)),
    expected,
  );
  expect(accepted.chain).toContain(rolled.certificate.toString("pem"));
});

test("a start date a little in the future is accepted without a warning, since clocks differ", async () => {
  const soon = pem(await leaf({ notBefore: new Date(now.getTime() + 60_000) }));
  expect(why(soon)).toBe("accepted");
  expect(acceptCertificate(chain(soon), expected).warnings).toEqual([]);
  expect(why(soon, { tolerance: 60_000 })).toBe("accepted");
  expect(why(soon, { tolerance: 0 })).toMatch(/valid only from/);
});

test("a certificate is refused from the second at which it ends", async () => {
  const short = pem(await leaf({ notAfter: at(1) }));
  expect(why(short, { now: new Date(at(1).getTime() - 1_000) })).toBe("accepted");
  expect(why(short, { now: at(1) })).toMatch(/it expired at/);
});

test("a later start that was asked for is accepted with a warning, and no later one than that", async () => {
  const start = "2027-06-01T00:00:00Z";
  const later = await leaf({
    notBefore: new Date(start),
    notAfter: new Date("2027-07-01T00:00:00Z"),
  });
  expect(why(pem(later))).toMatch(/valid only from 2027-06-01/);
  expect(why(pem(later), { start: "2027-05-01T00:00:00Z" })).toMatch(/valid only from 2027-06-01/);
  expect(acceptCertificate(chain(pem(later)), { ...expected, start }).warnings).toEqual([
    expect.stringMatching(/^the certificate is valid only from 2027-06-01/),
  ]);
});

test("a chain is chosen by the name or fingerprint of its issuer", async () => {
  const one = await leaf();
  const other = await authority("Other Root");
  const cross = await x509.X509CertificateGenerator.create({
    subject: intermediate.certificate.subject,
    issuer: other.certificate.subject,
    publicKey: intermediate.keys.publicKey,
    signingKey: other.keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const chains = [chain(pem(one, intermediate.certificate)), chain(pem(one, cross))];
  expect(chooseChain(chains, undefined)).toBe(chains[0]);
  expect(chooseChain(chains, "Other Root")).toBe(chains[1]);
  const fingerprint = new X509Certificate(cross.toString("pem")).fingerprint256;
  expect(chooseChain(chains, fingerprint)).toBe(chains[1]);
  for (const loosely of [
    "OTHER ROOT",
    "CN=Other Root",
    "cn = other root",
    " 'Other Root' ",
    '"Other Root"',
    "  Other Root\n",
    "' Other Root '",
    `sha256 Fingerprint=${fingerprint}`,
    `SHA-256: ${fingerprint.replaceAll(":", " ")}`,
  ]) {
    expect(chooseChain(chains, loosely)).toBe(chains[1]);
  }
  expect(chooseChain(chains, "other")).toBe(chains[1]);
  expect(chooseChain(chains, fingerprint.replaceAll(":", "").toLowerCase())).toBe(chains[1]);
  const warnings: string[] = [];
  expect(chooseChain(chains, "Nobody", { warn: (text) => warnings.push(text) })).toBe(chains[0]);
  expect(warnings.join()).toContain('"Other Root" (SHA-256 of the last certificate: ');
  expect(warnings.join()).toContain(fingerprint.replaceAll(":", "").toLowerCase());
  expect(() => chooseChain([], undefined)).toThrow(/no certificate/);
});

test("a chain is chosen by the fingerprint of a trusted root that the CA does not send", async () => {
  const one = await leaf();
  const other = await authority("Other Root");
  const cross = await x509.X509CertificateGenerator.create({
    subject: intermediate.certificate.subject,
    issuer: other.certificate.subject,
    publicKey: intermediate.keys.publicKey,
    signingKey: other.keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const chains = [chain(pem(one, intermediate.certificate)), chain(pem(one, cross))];
  const root = other.certificate.toString("pem");
  const trusted = tls.getCACertificates("default");
  onTestFinished(() => tls.setDefaultCACertificates(trusted));
  const { fingerprint256 } = new X509Certificate(root);
  expect(chooseChain(chains, fingerprint256)).toBe(chains[0]);
  expect(chooseChain(chains, fingerprint256, undefined, [root])).toBe(chains[1]);
  tls.setDefaultCACertificates([...trusted, root]);
  expect(chooseChain(chains, fingerprint256)).toBe(chains[1]);
});

test("the example of RFC 9773 gets the identifier of its appendix A", () => {
  const example = new X509Certificate(`-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----`);
  expect(serialOf(example)).toBe("0087654321");
  expect(certificateId(example)).toBe("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
});

test("a certificate without an authority key identifier has no ARI identifier", async () => {
  const self = new X509Certificate(root.certificate.toString("pem"));
  expect(certificateId(self)).toBeUndefined();
  // One without the key's identifier, and one whose identifier is empty.
  for (const der of ["3003820101", "30028000"]) {
    const extensions = [new x509.Extension("2.5.29.35", false, Buffer.from(der, "hex"))];
    const made = await x509.X509CertificateGenerator.createSelfSigned({ keys, extensions });
    expect(certificateId(new X509Certificate(made.toString("pem")))).toBeUndefined();
  }
});
