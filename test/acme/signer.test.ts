import { spawn } from "node:child_process";
import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { buffer } from "node:stream/consumers";
import { join } from "node:path";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import { createCsr } from "../../src/acme/certificate/new-csr.ts";
import { createPrivateKey, publicHalf } from "../../src/acme/keys.ts";
import { type Signer, signerOf } from "../../src/acme/signer.ts";
import { signKeyChange } from "../../src/acme/transport/library.ts";
import { dns, fulfil, signal, world } from "./world.ts";

const types = ["ec256", "ec384", "rsa2048"] as const;

/** As a plugin for a hardware module would be: the key is in another process, which signs. */
async function elsewhere(type: (typeof types)[number]): Promise<Signer> {
  const pem = await createPrivateKey(type);
  const file = join(await mkdtemp(join(tmpdir(), "signer-")), "key.pem");
  await writeFile(file, pem, { mode: 0o600 });
  const publicKey = createPublicKey({ key: publicHalf(pem), format: "der", type: "spki" });
  const hash = type === "ec384" ? "-sha384" : "-sha256";
  const sign = async (data: Uint8Array) => {
    const { stdin, stdout } = spawn("openssl", ["dgst", hash, "-sign", file]);
    stdin.end(data);
    return buffer(stdout);
  };
  return { type, publicKey, sign };
}

describe.each(types)("with a %s key in another process", (type) => {
  test("an account orders a certificate, whose request that key has signed", async () => {
    const here = await world();
    const account = here.ca.session(await elsewhere(type), undefined);
    await account.register({ contact: [], termsOfServiceAgreed: true }, signal);
    const order = await account.newOrder({ identifiers: [dns("shop.example.com")] }, signal);
    const key = await elsewhere(type);
    const { chains } = await fulfil(here, account, order, { signer: key });
    const leaf = new X509Certificate(chains[0]?.pem ?? "");
    expect(leaf.publicKey.equals(key.publicKey)).toBe(true);
    await here.ca.session(key, undefined).revoke({ der: leaf.raw, reason: 1 }, signal);
  });

  test("a JWS and a CSR are verified with its public key", async () => {
    const [key, before] = [await elsewhere(type), await elsewhere("ec256")];
    const jws = await signKeyChange("https://ca.test/key", "https://ca.test/1", before, key);
    const { protected: head, payload, signature } = jws as Record<string, string>;
    const options = { key: key.publicKey, dsaEncoding: "ieee-p1363" } as const;
    const bytes = Buffer.from(signature ?? "", "base64url");
    const hash = type === "ec384" ? "sha384" : "sha256";
    expect(verify(hash, Buffer.from(`${head}.${payload}`), options, bytes)).toBe(true);
    expect(JSON.parse(Buffer.from(payload ?? "", "base64url").toString())).toEqual({
      account: "https://ca.test/1",
      oldKey: before.publicKey.export({ format: "jwk" }),
    });
    const csr = await createCsr(key, [dns("shop.example.com")]);
    expect(await new Pkcs10CertificateRequest(Uint8Array.from(csr)).verify()).toBe(true);
  });
});

test("both numbers of an ECDSA signature have the length of the curve in a JWS", async () => {
  // 1 in one byte, and one whose first bit is set, before which DER has a zero.
  const [small, large] = [Buffer.of(2, 1, 1), Buffer.of(2, 33, 0, ...Buffer.alloc(32, 0xff))];
  const sign = async () => Buffer.of(0x30, 38, ...small, ...large);
  const key = { ...signerOf(await createPrivateKey("ec256")), sign };
  const jws = await signKeyChange("https://ca.test/key", "https://ca.test/1", key, key);
  const signature = Buffer.of(...Buffer.alloc(31), 1, ...Buffer.alloc(32, 0xff));
  expect(jws).toMatchObject({ signature: signature.toString("base64url") });
});
