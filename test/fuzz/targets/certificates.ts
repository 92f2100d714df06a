/** PEM, DER, certificates, keys and requests. */
import { X509Certificate } from "node:crypto";
import { acceptCertificate } from "../../../src/acme/certificate/accept.ts";
import { certificatesOf, readChain, tryCertificate } from "../../../src/acme/certificate/chain.ts";
import { readCsr, verifyCsr } from "../../../src/acme/certificate/csr.ts";
import { dottedOf, elementsOf, identifierBytes } from "../../../src/acme/certificate/der.ts";
import {
  certificateId,
  identifiersOf,
  isAuthority,
  otherNamesOf,
  publicKeyOf,
  serialOf,
  unknownSignatureOf,
} from "../../../src/acme/certificate/extensions.ts";
import { readPrivateKey, thumbprint } from "../../../src/acme/keys.ts";
import { certificateBlocks } from "../../../src/acme/pem.ts";
import { readMaterial } from "../../../src/import/material.ts";
import { holds, isClean, now, orProblem, orProblemOf, type Target } from "../target.ts";

const words = [
  "-----BEGIN CERTIFICATE-----\n",
  "-----END CERTIFICATE-----\n",
  "-----BEGIN EC PRIVATE KEY-----",
  "\\n",
];

export const certificateTargets: readonly Target[] = [
  {
    name: "pem",
    promise:
      "a PEM text gives certificates, or a reason, and what was given is read the same again",
    words,
    check(input) {
      const text = input.toString();
      const ders = certificatesOf(text);
      if (typeof ders === "string") return holds(isClean(ders), "a reason is one clean line");
      const blocks = ders.map(
        (der) =>
          `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`,
      );
      const again = certificatesOf(blocks.join(""));
      holds(
        typeof again !== "string" || ders.some(({ length }) => length === 0),
        "it is read again",
      );
      holds(certificateBlocks(text).length <= ders.length, "no block is invented");
    },
  },
  {
    name: "private-key",
    promise: "a private key is read and has a thumbprint, or is refused without its text",
    words,
    check(input) {
      const text = input.toString();
      const read = orProblem(() => readPrivateKey(text));
      if (read === undefined) return;
      holds(/^[\w-]{43}$/.test(thumbprint(read.pem)), "it has a thumbprint");
      holds(readPrivateKey(read.pem).pem === read.pem, "it is read the same again");
    },
  },
  {
    name: "der",
    promise:
      "the elements of DER are its bytes, and object identifiers are read as they are written",
    check(input) {
      const elements = elementsOf(input);
      const bytes = Buffer.concat(elements.map(({ bytes }) => bytes));
      holds(elements.length === 0 || bytes.equals(input), "elements are all of the bytes");
      for (const element of elements) {
        const dotted = dottedOf(element);
        const numbers = dotted.split(".").map(Number);
        if (numbers.length < 2 || numbers.some((number) => number >= 2 ** 31)) continue;
        holds(
          dottedOf({ content: identifierBytes(dotted) } as typeof element) === dotted,
          `${dotted} is read as written`,
        );
      }
    },
  },
  {
    name: "certificate",
    promise:
      "whatever OpenSSL reads as a certificate has names, a serial number and an identifier without control characters",
    check(input) {
      const certificate = tryCertificate(input);
      if (certificate === undefined) return;
      const names = identifiersOf(certificate).map(({ value }) => value);
      holds(
        names.every((name) => /^[a-z0-9*.:-]+$/.test(name)),
        "names are names",
      );
      holds(otherNamesOf(certificate).every(isClean), "other names are clean");
      holds(/^([0-9a-f]{2})*$/.test(serialOf(certificate)), "a serial number is bytes");
      const id = certificateId(certificate);
      holds(id === undefined || /^[\w-]+\.[\w-]+$/.test(id), "an identifier fits into a URL");
      publicKeyOf(certificate);
      isAuthority(certificate);
      unknownSignatureOf(certificate);
    },
  },
  {
    name: "chain",
    promise:
      "a chain is accepted only for the key and the names that were asked for, and is otherwise refused with a Problem",
    words,
    check(input) {
      const [pem = "", key = ""] = input.toString().split("\n===\n");
      const chain = { url: "https://ca.example/cert/1", pem };
      const certificates = readChain(chain);
      const leaf = typeof certificates === "string" ? undefined : certificates[0];
      const wanted = orProblem(() => readPrivateKey(key));
      if (wanted === undefined || leaf === undefined) return;
      const identifiers = [{ type: "dns", value: "shop.example.com" } as const];
      const publicKey = publicKeyOf(leaf);
      const accepted = orProblem(() => acceptCertificate(chain, { publicKey, identifiers, now }));
      if (accepted === undefined) return;
      const stored = new X509Certificate(accepted.leaf);
      holds(stored.raw.equals(leaf.raw), "the leaf is stored as it came");
      holds(
        accepted.identifiers.some(({ value }) => value === "shop.example.com"),
        "it has the name",
      );
      holds(accepted.warnings.every(isClean), "warnings are clean");
    },
  },
  {
    name: "csr",
    promise:
      "a certificate signing request gives names as a CA issues them, or is refused with a Problem",
    words: ["-----BEGIN CERTIFICATE REQUEST-----\n", "-----END NEW CERTIFICATE REQUEST-----\n"],
    async check(input) {
      for (const given of [input.toString(), input]) {
        const csr = orProblem(() => readCsr(given));
        if (csr === undefined) continue;
        holds(csr.identifiers.length > 0, "it has names");
        holds(
          csr.identifiers.every(({ value }) => /^[a-z0-9*.:-]+$/.test(value)),
          "names are names",
        );
        await orProblemOf(() => verifyCsr(csr.der, "the CSR"));
      }
    },
  },
  {
    name: "imported-material",
    promise: "key and certificate of another client are taken, or the reason why not is given",
    words,
    check(input) {
      const [certificate = "", key = ""] = input.toString().split("\n===\n");
      const material = orProblem(() => readMaterial({ certificate, key, source: "live/x" }, now));
      holds(material === undefined || isClean(material.why ?? ""), "the reason is one clean line");
    },
  },
];
