/** What a CA sends beside or instead of what was ordered, down to the deploy steps. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { askedFor, forged } from "../support/forged.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const name = "odd.example.test";
const env = (issuing: Issuing) => ({ PATH: process.env["PATH"] ?? "", HOME: issuing.home });

/** The next certificate is this one, above it a CA whose key no Node.js knows. */
function send({ ca }: Issuing, names: readonly string[]): void {
  let leaf = "";
  const call = async () => void (leaf = await forged(askedFor(ca), names));
  ca.faults.add({ on: "certificate", do: { call, pem: (chain) => leaf + strangeIssuer(chain) } });
}

/** The first certificate above the leaf; its key's algorithm (id-ecPublicKey) becomes one that does not exist. */
function strangeIssuer(chain: string): string {
  const [, issuer = ""] = chain.match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g) ?? [];
  const hex = new X509Certificate(issuer).raw.toString("hex");
  const strange = Buffer.from(hex.replace("2a8648ce3d0201", "2a8648ce3d0209"), "hex");
  return `-----BEGIN CERTIFICATE-----\n${strange.toString("base64")}\n-----END CERTIFICATE-----\n`;
}

describe("a certificate that is not what was ordered", () => {
  test("is stored and deployed with warnings if it can be used, and is refused and kept with its key if it lacks a name", async () => {
    await using issuing = await startIssuing();
    const folder = join(issuing.home, "deployed");
    await mkdir(folder);
    const at = (file: string) => join(folder, file);
    const versions = join(issuing.state, "certificates", name);

    send(issuing, [name, `www.${name}`]);
    const steps = ["--fullchain-file", at("full.pem"), "--key-file", at("key.pem")];
    const hook = ["--deploy-hook", `cp $RENEWED_LINEAGE/fullchain.pem ${at("hook.pem")}`];
    const issued = await issuing.issue(["-d", name, ...steps, ...hook], { env: env(issuing) });
    expect(issued.code, issued.stderr).toBe(0);
    expect(issued.stderr).toContain(
      `the CA added www.${name} to the certificate, which was not ordered`,
    );
    expect(issued.stderr).toContain(
      "its certificate 1 was not verified: the key of its issuer is not known to this Node.js",
    );
    const stored = await readFile(join(versions, "current", "fullchain.pem"), "utf8");
    const leaf = new X509Certificate(stored);
    expect(leaf.issuer).toBe("CN=Evil");
    const [copied, hooked, key] = await Promise.all(
      ["full.pem", "hook.pem", "key.pem"].map((file) => readFile(at(file), "utf8")),
    );
    expect([copied, hooked]).toEqual([stored, stored]);
    expect(leaf.checkPrivateKey(createPrivateKey(key ?? ""))).toBe(true);
    const shown = await issuing.run(["list"], { env: env(issuing) });
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining(name)]);

    send(issuing, [`www.${name}`]);
    const refused = await issuing.run(["renew", name, "--force"], { env: env(issuing) });
    expect(refused.code, refused.stderr).toBe(4);
    const place = join(versions, "refused", "1");
    expect(refused.stderr).toContain(`it lacks ${name}`);
    expect(refused.stderr).toContain(`The certificate and its key are kept in ${place}`);
    const lost = new X509Certificate(await readFile(join(place, "fullchain.pem")));
    const lostKey = createPrivateKey(await readFile(join(place, "privkey.pem")));
    expect(lost.subjectAltName).toBe(`DNS:www.${name}`);
    expect(lost.checkPrivateKey(lostKey)).toBe(true);
    expect(await readdir(join(versions, "versions"))).toEqual(["1"]);
    expect(await readFile(at("full.pem"), "utf8")).toBe(stored);
    expect(await readFile(at("hook.pem"), "utf8")).toBe(stored);
  });
});
