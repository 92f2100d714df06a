/** What a CA sends beside or instead of what was ordered, down to the deploy steps. */
import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { PublicKey } from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { certificateId } from "../../src/acme/certificate/extensions.ts";
import type { TestCa } from "../../src/test-ca/test-ca.ts";
import { algorithm, askedFor, forged } from "../support/forged.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

/** The next chain is made of this leaf and of those that the CA sent. */
function send(ca: TestCa, leaf: () => Promise<string>, sent: (chain: string) => string): void {
  let made = "";
  const call = async () => void (made = await leaf());
  ca.faults.add({ on: "certificate", do: { call, pem: (chain) => made + sent(chain) } });
}

const certificatesOf = (chain: string) =>
  chain.match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g) ?? [];

/** The certificate with this object identifier replaced by one that does not exist. */
function strange(pem: string, oid: string, unknown: string): string {
  const hex = new X509Certificate(pem).raw.toString("hex").replaceAll(oid, unknown);
  const text = Buffer.from(hex, "hex").toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
}

/** The first certificate above the leaf, its key (id-ecPublicKey) of an unknown algorithm. */
const strangeIssuer = (chain: string) =>
  strange(certificatesOf(chain)[1] ?? "", "2a8648ce3d0201", "2a8648ce3d0209");

/** The certificate signed by an unknown algorithm instead of ecdsa-with-SHA256. */
const strangelySigned = (pem: string) => strange(pem, "2a8648ce3d040302", "2a8648ce3d040309");

async function anotherKey(): Promise<PublicKey> {
  const { publicKey } = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  return PublicKey.create(publicKey);
}

describe("a certificate that is not what was ordered", () => {
  let issuing: Issuing;
  beforeAll(async () => {
    issuing = await startIssuing();
  });
  afterAll(() => issuing?.[Symbol.asyncDispose]());

  const env = () => ({ PATH: process.env["PATH"] ?? "", HOME: issuing.home });
  const renew = (name: string, ...more: string[]) =>
    issuing.run(["renew", name, "--no-jitter", ...more], { env: env() });
  const folderOf = (name: string) => join(issuing.state, "certificates", name);

  /** Issue with a copy and a hook as deploy steps; what was stored, and what is deployed. */
  async function issue(name: string) {
    const folder = join(issuing.home, name);
    await mkdir(folder);
    const at = (file: string) => join(folder, file);
    const steps = ["--fullchain-file", at("full.pem"), "--key-file", at("key.pem")];
    const hook = ["--deploy-hook", `cp $RENEWED_LINEAGE/fullchain.pem ${at("hook.pem")}`];
    const { code, stderr } = await issuing.issue(["-d", name, ...steps, ...hook], { env: env() });
    expect(code, stderr).toBe(0);
    const stored = await readFile(join(folderOf(name), "current", "fullchain.pem"), "utf8");
    const deployed = async () => [
      await readFile(at("full.pem"), "utf8"),
      await readFile(at("hook.pem"), "utf8"),
    ];
    expect(await deployed()).toEqual([stored, stored]);
    const leaf = new X509Certificate(stored);
    const key = createPrivateKey(await readFile(at("key.pem"), "utf8"));
    expect(leaf.checkPrivateKey(key)).toBe(true);
    return { stderr, stored, deployed, leaf };
  }

  test("is stored and deployed with warnings if a name was added, and its issuer has a key of an unknown algorithm", async () => {
    const name = "odd.example.test";
    send(issuing.ca, () => forged(askedFor(issuing.ca), [name, `www.${name}`]), strangeIssuer);
    const { stderr, leaf } = await issue(name);
    expect(leaf.issuer).toBe("CN=Evil");
    expect(stderr).toContain(`the CA added www.${name} to the certificate, which was not ordered`);
    expect(stderr).toContain(
      "its certificate 1 was not verified: the key of its issuer is not known to this Node.js",
    );
    const shown = await issuing.run(["list"], { env: env() });
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining(name)]);
  });

  test("is stored and deployed with a warning if it is signed by an unknown algorithm, and is renewed without an authority key identifier", async () => {
    const name = "signed.example.test";
    const leaf = async () => strangelySigned(await forged(askedFor(issuing.ca), [name]));
    send(issuing.ca, leaf, (chain) => certificatesOf(chain).slice(1).join("\n"));
    const issued = await issue(name);
    expect(issued.stderr).toContain(
      "its certificate 1 was not verified: its signature algorithm (1.2.840.10045.4.3.9) is not known to this Node.js",
    );
    // Without one no renewal information can be requested (RFC 9773 §4.1).
    expect(certificateId(issued.leaf)).toBeUndefined();
    const before = issuing.ca.requests.length;
    expect(await renew(name)).toMatchObject({ code: 0 });
    expect(issuing.ca.requests).toHaveLength(before);
    const renewed = await renew(name, "--force");
    expect(renewed.code, renewed.stderr).toBe(0);
    expect(await issued.deployed()).not.toContain(issued.stored);
    expect(await readdir(join(folderOf(name), "versions"))).toEqual(["1", "2"]);
  });

  test.each([
    ["lacks a requested name", "it lacks less.example.test", "less.example.test", true],
    ["is for another key", "it is for another key than ours", "key.example.test", false],
  ])(
    "is refused and kept with our key if it %s, and the one before stays deployed",
    async (_, why, name, isOurs) => {
      const good = await issue(name);
      const names = isOurs ? [`www.${name}`] : [name];
      const leaf = async () => forged(isOurs ? askedFor(issuing.ca) : await anotherKey(), names);
      send(issuing.ca, leaf, strangeIssuer);
      const { code, stderr } = await renew(name, "--force");
      expect(code, stderr).toBe(4);
      const kept = join(folderOf(name), "refused", "1");
      expect(stderr).toContain(why);
      expect(stderr).toContain(`The certificate and its key are kept in ${kept}`);
      const refused = new X509Certificate(await readFile(join(kept, "fullchain.pem")));
      expect(refused.subjectAltName).toBe(`DNS:${names.join()}`);
      const key = createPrivateKey(await readFile(join(kept, "privkey.pem")));
      expect(refused.checkPrivateKey(key)).toBe(isOurs);
      expect(await readdir(join(folderOf(name), "versions"))).toEqual(["1"]);
      expect(await good.deployed()).toEqual([good.stored, good.stored]);
    },
  );
});
