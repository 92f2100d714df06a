import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import { createCsr } from "../../src/acme/certificate/new-csr.ts";
import { signerOf } from "../../src/acme/signer.ts";
import type { Problem } from "../../src/problem.ts";
import { readCsrFile } from "../../src/request/given-file.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function pem(name: string, names: { type: "dns" | "email"; value: string }[] = []) {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const extensions = names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)];
  const request = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm,
    extensions,
  });
  return request.toString("pem");
}

async function read(content: string | Uint8Array) {
  const path = join(await mkdtemp(join(tmpdir(), "csr-")), "my.csr");
  await writeFile(path, content);
  return readCsrFile(path);
}

const fault = async (content: string | Uint8Array) =>
  read(content).then(
    () => "it was read",
    ({ message, hint }: Problem) => `${message} ${hint}`,
  );

const dns = (value: string) => ({ type: "dns" as const, value });

describe("a CSR file", () => {
  test("a CSR is read behind a private key, in UTF-16, as bare base64, and without line breaks", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const csr = await pem("CN=shop.example.com");
    const utf16 = Buffer.from(`\uFEFF${csr.replaceAll("\n", "\r\n")}`, "utf16le");
    const base64 = csr.replaceAll(/-----.*-----/g, "");
    const spoiled = ["", " ", "\\n"].map((between) => csr.trim().replaceAll("\n", between));
    for (const content of [csr, key + csr, utf16, base64, ...spoiled]) {
      expect((await read(content)).identifiers).toEqual([dns("shop.example.com")]);
    }
  });

  test.each([
    [
      "CN=My Web Server",
      [dns("shop.example.com")],
      /common name "My Web Server" of the CSR .*my\.csr is not a host name: it contains white space\. Create a CSR without this common name/,
    ],
    [
      "",
      [{ type: "email" as const, value: "a@example.com" }],
      /has an email address, "a@example.com", in its subjectAltName/,
    ],
    [
      "",
      [dns("shop.example.com.")],
      /subjectAltName "shop\.example\.com\." .*Create a CSR with shop\.example\.com instead/,
    ],
    [
      "CN=bücher.example.com",
      [],
      /common name "bücher\.example\.com" .*Create a CSR with xn--bcher-kva\.example\.com instead/,
    ],
  ])(
    "with %j and %j is reported in its own words before an order",
    async (name, names, message) => {
      const said = await fault(await pem(name, names));
      expect(said).toMatch(message);
      expect(said).not.toMatch(/-d\b|commas/);
    },
  );

  test("a file with two CSRs is rejected", async () => {
    const both = (await pem("CN=a.example.com")) + "\n" + (await pem("CN=b.example.com"));
    expect(await fault(both)).toMatch(/contains 2 certificate signing requests/);
  });

  test("a CSR whose signature does not verify is rejected", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const der = await createCsr(signerOf(key), [dns("shop.example.com")]);
    expect(await fault(der)).toBe("it was read");
    const text = Buffer.from(der).toString("latin1").replace("shop.example", "shap.example");
    expect(await fault(Buffer.from(text, "latin1"))).toMatch(
      /the CSR .* is not signed by its own key/,
    );
  });
});
