import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const orders = ({ ca }: Issuing) => ca.requests.filter(({ kind }) => kind === "newOrder").length;

/** The type of a certificate's key, once key and certificate belong together. */
async function typeOf(certificate: string, key: string): Promise<string | undefined> {
  const leaf = new X509Certificate(await readFile(certificate, "utf8"));
  expect(leaf.checkPrivateKey(createPrivateKey(await readFile(key, "utf8")))).toBe(true);
  expect(leaf.checkHost("shop.test")).toBe("shop.test");
  return leaf.publicKey.asymmetricKeyType;
}

test("two key types get two orders and one commit, and copies and hooks get both certificates", async () => {
  await using issuing = await startIssuing();
  const at = (name: string) => join(issuing.state, "..", name);
  const [chain, key, seen] = [at("chain.pem"), at("key.pem"), at("seen")];
  const words = ["-d", "shop.test", "--key-types", "ec256,rsa2048"];
  words.push("--fullchain-file", chain, "--key-file", key);
  words.push(
    "--deploy-hook",
    `echo $ACMECTL_HOOK_SECOND_KEY_TYPE > ${seen}; cat $ACMECTL_HOOK_SECOND_FULLCHAIN >> ${seen}`,
  );
  const ran = await issuing.issue(words);
  expect(ran.code, ran.stderr).toBe(0);
  expect(orders(issuing)).toBe(2);
  const current = join(issuing.state, "certificates", "shop.test", "current");
  const held = (name: string) => join(current, name);
  const both = async () => [
    await typeOf(held("fullchain.pem"), held("privkey.pem")),
    await typeOf(held("fullchain-rsa2048.pem"), held("privkey-rsa2048.pem")),
    await typeOf(chain, key),
    await typeOf(`${chain}.rsa`, `${key}.rsa`),
  ];
  expect(await both()).toEqual(["ec", "rsa", "ec", "rsa"]);
  const second = await readFile(held("fullchain-rsa2048.pem"), "utf8");
  expect(await readFile(seen, "utf8")).toBe(`rsa2048\n${second}`);

  expect((await issuing.issue(words)).stdout).toContain("nothing was done");
  expect((await issuing.run(["renew", "--force"])).code).toBe(0);
  expect(orders(issuing)).toBe(4);
  expect(await both()).toEqual(["ec", "rsa", "ec", "rsa"]);
  expect(await readFile(held("fullchain-rsa2048.pem"), "utf8")).not.toBe(second);
  expect((await issuing.run(["state", "check"])).code).toBe(0);
});

test("--reuse-key keeps both keys", async () => {
  await using issuing = await startIssuing();
  const words = ["-d", "shop.test", "--key-types", "ec256,rsa2048", "--reuse-key"];
  const keys = async () => {
    expect((await issuing.issue([...words, "--force"])).code).toBe(0);
    const current = join(issuing.state, "certificates", "shop.test", "current");
    const read = ["privkey.pem", "privkey-rsa2048.pem"].map((file) =>
      readFile(join(current, file), "utf8"),
    );
    return Promise.all(read);
  };
  expect(await keys()).toEqual(await keys());
});

test("if the second order fails nothing is committed, and the next run gets both", async () => {
  await using issuing = await startIssuing();
  const words = ["-d", "shop.test", "--key-types", "ec256,rsa2048"];
  const fault = issuing.ca.faults.add({
    on: "newOrder",
    nth: 2,
    do: { status: 403, problem: { type: "unauthorized", detail: "not today" } },
  });
  expect((await issuing.issue(words)).code).toBe(5);
  fault.remove();
  const current = join(issuing.state, "certificates", "shop.test", "current");
  await expect(readFile(join(current, "fullchain.pem"))).rejects.toThrow(/ENOENT/);
  expect((await issuing.issue(words)).code).toBe(0);
  expect(
    await typeOf(join(current, "cert-rsa2048.pem"), join(current, "privkey-rsa2048.pem")),
  ).toBe("rsa");
});

test.each([["ec256,ec384"], ["ec256,rsa2048,rsa4096"], ["ec256,dsa"]])(
  "the key types %s are refused before the CA is asked",
  async (types) => {
    await using issuing = await startIssuing();
    const { code, stderr } = await issuing.issue(["-d", "shop.test", "--key-types", types]);
    expect([code, stderr.replaceAll(/\s+/g, " ")]).toEqual([
      2,
      expect.stringContaining("are not one EC and one RSA type"),
    ]);
    expect(issuing.ca.requests).toEqual([]);
  },
);
