import { createPublicKey, generateKeyPairSync, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import { readCsr } from "../../src/acme/certificate/csr.ts";
import { createCsr } from "../../src/acme/certificate/new-csr.ts";
import { createPrivateKey, publicHalf, readPrivateKey, thumbprint } from "../../src/acme/keys.ts";
import { signerOf } from "../../src/acme/signer.ts";
import { keyTypes } from "../../src/certificate.ts";
import { Problem } from "../../src/problem.ts";
import { dns } from "./world.ts";

function problemOf(task: () => unknown): Problem {
  try {
    task();
  } catch (error) {
    if (Problem.is(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const names = [
  dns("example.com"),
  dns("*.example.com"),
  { type: "ip" as const, value: "2001:db8::1" },
];

test.each(keyTypes.filter((type) => type !== "rsa4096"))(
  "a %s key signs a request with its names only in the extension",
  async (type) => {
    const pem = await createPrivateKey(type);
    expect(readPrivateKey(pem)).toEqual({ pem, type });
    const der = await createCsr(signerOf(pem), names);
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
    expect([await request.verify(), request.subject]).toEqual([true, ""]);
    const read = readCsr(der);
    expect([read.keyType, read.identifiers]).toEqual([type, names]);
    expect(read.publicKey.equals(publicHalf(pem))).toBe(true);
  },
);

test("RSA keys are generated off the main thread", async () => {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  await createPrivateKey("rsa3072");
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
});

describe("a private key of the user", () => {
  test("a private key is read as PKCS#8, SEC1 and PKCS#1, and becomes PKCS#8", () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const sec1 = ec.export({ type: "sec1", format: "pem" }).toString();
    const pkcs1 = rsa.export({ type: "pkcs1", format: "pem" }).toString();
    expect(readPrivateKey(sec1)).toEqual({
      pem: ec.export({ type: "pkcs8", format: "pem" }),
      type: "ec384",
    });
    expect(readPrivateKey(pkcs1).pem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });

  test.each([
    ["blanks", (pem: string) => pem.trim().replaceAll("\n", " ")],
    ["\\n", (pem: string) => pem.replaceAll("\n", "\\n")],
    ["nothing", (pem: string) => pem.replaceAll("\n", "")],
    ["CRLF", (pem: string) => pem.replaceAll("\n", "\r\n")],
  ])("a private key is read when a CI variable has turned its line breaks into %s", (_, spoil) => {
    for (const type of ["ec", "rsa"] as const) {
      const { privateKey } =
        type === "ec"
          ? generateKeyPairSync("ec", { namedCurve: "P-256" })
          : generateKeyPairSync("rsa", { modulusLength: 2048 });
      const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      expect(readPrivateKey(spoil(pem)).pem).toBe(pem);
    }
  });

  test("a private key of another type is refused before a CA sees it", () => {
    const kinds = [
      generateKeyPairSync("ed25519").privateKey,
      generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey,
      generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey,
      generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey,
    ];
    for (const kind of kinds) {
      const pem = kind.export({ type: "pkcs8", format: "pem" }).toString();
      const problem = problemOf(() => readPrivateKey(pem, "account.pem"));
      expect([problem.exitCode, problem.message]).toEqual([
        2,
        "account.pem has a type or size that CAs do not accept.",
      ]);
    }
  });

  test("an encrypted or unreadable private key is refused with a remedy, without its text", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const options = {
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "x",
    } as const;
    const encrypted = privateKey.export(options).toString();
    expect(problemOf(() => readPrivateKey(encrypted)).hint).toContain("openssl pkey");
    const problem = problemOf(() => readPrivateKey("my secret"));
    expect(`${problem.message}${problem.hint}`).not.toContain("my secret");
  });
});

test("the thumbprint is that of RFC 7638", () => {
  // The example of RFC 7638 §3.1 has a public key only, which is enough to be named.
  const n =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const key = createPublicKey({ key: { kty: "RSA", n, e: "AQAB" }, format: "jwk" });
  const pem = key.export({ type: "spki", format: "pem" }).toString();
  expect(thumbprint(pem)).toBe("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
});

/** A CSR as another program may write it, PEM. */
async function request(
  algorithm: webcrypto.EcKeyGenParams | { name: "Ed25519" },
  name: string,
  names?: x509.JsonGeneralNames,
): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  if (!("privateKey" in keys)) throw new Error("no key pair");
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: { ...algorithm, hash: "SHA-256" },
    extensions: names === undefined ? [] : [new x509.SubjectAlternativeNameExtension(names)],
  });
  return csr.toString("pem");
}

describe("a CSR of the user", () => {
  const p256 = { name: "ECDSA", namedCurve: "P-256" };

  test("a CSR is read from PEM, with its common name as one of the names", async () => {
    const csr = await request(p256, "CN=www.Example.com", [{ type: "dns", value: "example.com" }]);
    expect(readCsr(csr).identifiers).toEqual([dns("example.com"), dns("www.example.com")]);
  });

  test("a CSR that is broken, has unsupported names or none is refused", async () => {
    const mail = await request(p256, "", [{ type: "email", value: "a@example.com" }]);
    expect(problemOf(() => readCsr(mail, "my.csr")).message).toBe(
      'my.csr has an email address, "a@example.com", in its subjectAltName, which ACME does not support.',
    );
    const nameless = await request(p256, "O=Example");
    expect(problemOf(() => readCsr(nameless)).message).toBe("the CSR contains no names.");
    const wrong = await request(p256, "CN=a_b.example.com");
    expect(problemOf(() => readCsr(wrong)).message).toMatch(/underscore/);
    expect(problemOf(() => readCsr("nonsense")).message).toMatch(
      /not a certificate signing request/,
    );
    expect(problemOf(() => readCsr(new Uint8Array([1, 2]))).exitCode).toBe(2);
  });

  test("a CSR may be for a key that only private CAs accept", async () => {
    const csr = await request({ name: "Ed25519" }, "CN=example.com");
    expect(readCsr(csr)).toMatchObject({ keyType: undefined, identifiers: [dns("example.com")] });
  });
});
