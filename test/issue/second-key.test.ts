import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
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
  for (const type of ["ec256", "rsa2048"])
    expect(ran.stderr).toContain(`ordering shop.test with the key type ${type}`);
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

test("status shows the orders of both keys, each with its authorizations", async () => {
  await using issuing = await startIssuing();
  const words = ["-d", "shop.test", "--key-types", "ec256,rsa2048"];
  expect((await issuing.issue(words)).code).toBe(0);
  const { stdout } = await issuing.run(["status", "shop.test"]);
  const shown = stdout.split("\n").map((line) => line.trim());
  expect(shown.filter((line) => line.startsWith("Order https://"))).toHaveLength(2);
  expect(shown.filter((line) => line.startsWith("Authorization of shop.test"))).toEqual([
    "Authorization of shop.test: valid",
    "Authorization of shop.test: valid (validated before)",
  ]);
  const { certificates } = JSON.parse((await issuing.run(["status", "--json"])).stdout) as {
    certificates: { status: { lastAttempt: { orderUrl: string; earlier: object[] } } }[];
  };
  const { orderUrl, earlier } = certificates[0]?.status.lastAttempt ?? {};
  expect(earlier).toEqual([
    expect.objectContaining({ orderUrl: expect.not.stringMatching(orderUrl ?? "") }),
  ]);
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

test.each([
  ["refused", "newOrder", { status: 403, problem: { type: "unauthorized", detail: "not today" } }],
  ["lost at its finalization", "finalize", { destroy: true }],
  ["issued, and its certificate is lost", "certificate", { destroy: true }],
] as const)(
  "if the second order is %s nothing is committed, and the next run goes on with that order alone",
  async (_, on, action) => {
    await using issuing = await startIssuing();
    const words = ["-d", "shop.test", "--key-types", "ec256,rsa2048"];
    const fault = issuing.ca.faults.add({ on, nth: 2, times: Infinity, do: action });
    expect((await issuing.issue(words)).code).not.toBe(0);
    fault.remove();
    const current = join(issuing.state, "certificates", "shop.test", "current");
    await expect(readFile(join(current, "fullchain.pem"))).rejects.toThrow(/ENOENT/);
    const pending = join(issuing.state, "pending");
    const [journal = ""] = await readdir(pending);
    const { privateKey } = JSON.parse(await readFile(join(pending, journal), "utf8"));

    const ran = await issuing.issue(words);
    expect(ran.code, ran.stderr).toBe(0);
    const done = (wanted: string) =>
      issuing.ca.requests.filter(({ kind, status }) => kind === wanted && (status ?? 500) < 300);
    expect([done("newOrder").length, done("finalize").length]).toEqual([2, 2]);
    expect(await readFile(join(current, "privkey.pem"), "utf8")).toBe(privateKey);
    expect(await typeOf(join(current, "cert.pem"), join(current, "privkey.pem"))).toBe("ec");
    expect(
      await typeOf(join(current, "cert-rsa2048.pem"), join(current, "privkey-rsa2048.pem")),
    ).toBe("rsa");
    expect(await readdir(pending)).toEqual([]);
  },
);

test("--new-order leaves both unfinished orders alone", async () => {
  await using issuing = await startIssuing();
  const words = ["-d", "shop.test", "--key-types", "ec256,rsa2048"];
  const fault = issuing.ca.faults.add({
    on: "certificate",
    nth: 2,
    times: Infinity,
    do: { destroy: true },
  });
  expect((await issuing.issue(words)).code).not.toBe(0);
  fault.remove();
  expect((await issuing.issue([...words, "--new-order"])).code).toBe(0);
  expect(orders(issuing)).toBe(4);
});

test("each order of a renewal replaces the certificate of its own key type, whichever comes first", async () => {
  await using issuing = await startIssuing();
  const serials = async (types: string) => {
    expect((await issuing.issue(["-d", "shop.test", "--key-types", types, "--force"])).code).toBe(
      0,
    );
    const current = join(issuing.state, "certificates", "shop.test", "current");
    const leaves = await Promise.all(
      (await readdir(current))
        .filter((file) => file.startsWith("cert"))
        .map(async (file) => new X509Certificate(await readFile(join(current, file), "utf8"))),
    );
    const serialOf = (type: string) =>
      leaves.find(({ publicKey }) => publicKey.asymmetricKeyType === type)?.serialNumber ?? "";
    return { ec: serialOf("ec"), rsa: serialOf("rsa") };
  };
  /** The serial numbers that the last two orders replace. */
  const replaced = () =>
    issuing.ca.requests
      .filter(({ kind }) => kind === "newOrder")
      .slice(-2)
      .map(({ payload }) => String((payload as { replaces?: string }).replaces).split(".")[1] ?? "")
      .map((part) => Buffer.from(part, "base64url").toString("hex").toUpperCase());
  const first = await serials("ec256,rsa2048");
  const second = await serials("ec256,rsa2048");
  expect(replaced()).toEqual([first.ec, first.rsa].map(withSign));
  await serials("rsa2048,ec256");
  expect(replaced()).toEqual([second.rsa, second.ec].map(withSign));
});

/** As in DER, where a first bit that is set would be a sign. */
const withSign = (hex: string) => (/^[89A-F]/.test(hex) ? `00${hex}` : hex);

test("revoke revokes both certificates, and names the one that it could not revoke", async () => {
  await using issuing = await startIssuing();
  const words = ["-d", "shop.test", "--key-types", "ec256,rsa2048", "--reuse-key"];
  expect((await issuing.issue(words)).code).toBe(0);
  const current = join(issuing.state, "certificates", "shop.test", "current");
  const keys = () =>
    Promise.all(
      ["privkey.pem", "privkey-rsa2048.pem"].map((file) => readFile(join(current, file), "utf8")),
    );
  const before = await keys();
  const fault = issuing.ca.faults.add({
    on: "revokeCert",
    nth: 2,
    do: { status: 500, problem: { type: "serverInternal", detail: "not now" } },
    times: Infinity,
  });
  const revoke = ["revoke", "shop.test", "--yes", "--by-key", "--reason", "keyCompromise"];
  const failed = await issuing.run(revoke);
  expect(failed.code).not.toBe(0);
  expect(failed.stderr.replaceAll(/\s+/g, " ")).toContain(
    "The ec256 certificate of shop.test is revoked, but not the rsa2048 one",
  );
  fault.remove();
  const plan = await issuing.run(["plan", "--json"]);
  expect(plan.stdout).toContain("it was revoked on");

  const revoked = await issuing.run(revoke);
  expect([revoked.code, revoked.stderr]).toEqual([0, ""]);
  const keysAsked = issuing.ca.requests
    .filter(({ kind, status }) => kind === "revokeCert" && status === 200)
    .map((one) => (one.protected?.["jwk"] as { kty: string } | undefined)?.kty);
  expect(keysAsked).toEqual(["EC", "RSA"]);

  expect((await issuing.run(["renew"])).code).toBe(0);
  const after = await keys();
  expect(before.filter((key) => after.includes(key))).toEqual([]);
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
