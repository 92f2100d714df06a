import { execFile } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { deployCertificate } from "../../src/deploy/deploy.ts";
import { newVersion } from "../state/material.ts";
import { never } from "../state/state.ts";
import { find } from "../support/servers/catalog.ts";
import { openssl } from "../support/state.ts";
import { name, openWorld } from "./world.ts";

const password = "corréct horse'\"$(x)";
const read = (path: string, words: readonly string[]) =>
  openssl("pkcs12", "-in", path, "-passin", `pass:${password}`, ...words);

test.each([
  ["modern", "AES-256-CBC", "sha256"],
  ["legacy", "pbeWithSHA1And3-KeyTripleDES-CBC", "sha1"],
] as const)(
  "a %s key store holds key and certificate, encrypted with %s",
  async (profile, cipher, mac) => {
    const world = await openWorld([], {
      env: { PATH: process.env["PATH"], STORE_PASSWORD: password },
    });
    const path = world.at("shop.p12");
    await world.want([
      { pkcs12: { path, password: "env:STORE_PASSWORD", profile, alias: "tomcat" } },
    ]);
    expect(await world.deploy()).toBeUndefined();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const info = await read(path, ["-info", "-noout"]);
    expect(info).toContain(cipher);
    expect(info).toContain(`MAC: ${mac}`);
    const key = await read(path, ["-nocerts", "-nodes"]);
    const held = await world.tools.store.certificates.readPrivateKey(name);
    expect(key).toContain("friendlyName: tomcat");
    expect(createPrivateKey(key).equals(createPrivateKey(held ?? ""))).toBe(true);
    const leaf = (await world.tools.store.certificates.readCertificate(name))?.certificate;
    expect(await read(path, ["-nokeys"])).toContain(leaf?.trim());
    expect(world.masked).toContain(password);
  },
);

test.skipIf(find("keytool") === undefined)(
  "Java reads both profiles as they are, with the chain",
  async () => {
    const world = await openWorld();
    await writeFile(world.at("password"), "changeit\n");
    const lock = await world.tools.store.lock(`certificate:${name}`, {
      wait: 0,
      signal: never,
    });
    const intermediate = (await newVersion("901")).certificate;
    const leaf = await newVersion("902");
    await world.tools.store.certificates.commit(name, { ...leaf, chain: intermediate }, lock);
    await lock.release();
    for (const profile of ["modern", "legacy"] as const) {
      const path = world.at(`${profile}.p12`);
      await world.want([{ pkcs12: { path, password: "file:password", profile } }]);
      expect(await world.deploy()).toBeUndefined();
      const { stdout } = await promisify(execFile)("keytool", [
        "-list",
        "-v",
        "-keystore",
        path,
        "-storepass",
        "changeit",
      ]);
      expect(stdout).toContain("Alias name: shop");
      expect(stdout).toContain("Entry type: PrivateKeyEntry");
      expect(await certificatesIn(path)).toBe(2);
    }
  },
);

/** How many certificates openssl finds. */
async function certificatesIn(path: string): Promise<number> {
  const text = await openssl("pkcs12", "-in", path, "-passin", "pass:changeit", "-nokeys");
  return text.split("BEGIN CERTIFICATE").length - 1;
}

test("openssl gets the password neither as argument nor in its environment", async () => {
  const world = await openWorld();
  const seen = world.at("seen");
  await world.script(
    "openssl",
    `{ echo "$@"; cat /proc/$$/environ; } > ${seen}; read -r line; echo "got $line"`,
  );
  const env = { PATH: `${world.folder}:/usr/bin:/bin`, STORE_PASSWORD: "a-long-password" };
  const path = world.at("shop.p12");
  await world.want([{ pkcs12: { path, password: "env:STORE_PASSWORD" } }]);
  const problem = await deployCertificate(
    await world.read(),
    { all: true },
    { ...world.tools, env },
  );
  expect(problem).toBeUndefined();
  expect(await readFile(path, "utf8")).toBe("got a-long-password\n");
  expect(await readFile(seen, "utf8")).not.toContain("a-long-password");
});

test("reports a missing password and a missing openssl", async () => {
  const world = await openWorld([], { env: {} });
  await world.want([{ pkcs12: { path: world.at("shop.p12"), password: "env:STORE_PASSWORD" } }]);
  const problem = await world.deploy();
  expect(problem).toMatchObject({ exitCode: 9 });
  expect(problem?.message).toContain("The variable STORE_PASSWORD is not set");
  await world.script("openssl", "echo 'Error: no' >&2; exit 1");
  const failing = await deployCertificate(
    await world.read(),
    { all: false },
    {
      ...world.tools,
      env: { PATH: world.folder, STORE_PASSWORD: "password" },
    },
  );
  expect(failing?.message).toContain("openssl pkcs12 failed: Error: no");
  await expect(stat(world.at("shop.p12"))).rejects.toThrow("ENOENT");
});
