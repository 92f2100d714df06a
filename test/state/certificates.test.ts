import { X509Certificate, createPrivateKey } from "node:crypto";
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { assertTarget } from "../../src/request/given-file.ts";
import { newVersion, requestOf } from "./material.ts";
import { never, openAt, openStore, tree } from "./state.ts";

const lockOf = (name: string) => `certificate:${name}`;
const atOnce = { wait: 0, signal: never };

test("opening and reading create nothing on disk", async () => {
  const { store, root } = await openStore();

  expect(await store.certificates.names()).toEqual([]);
  expect(await store.certificates.read("shop")).toBeUndefined();
  expect(await store.certificates.readPrivateKey("shop")).toBeUndefined();
  expect(await store.certificates.readCertificate("shop")).toBeUndefined();
  expect(await store.accounts.list()).toEqual([]);
  expect(await store.journal.names()).toEqual([]);
  expect(await store.solverState("cf").get("x")).toBeUndefined();

  await expect(stat(root)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a committed version is the target of one relative link", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.saveRequest(requestOf("shop"));
  const version = await newVersion("01");
  const held = await store.certificates.commit("shop", version, lock);
  await lock.release();

  const folder = join(root, "certificates/shop");
  expect(await readlink(join(folder, "current"))).toBe("versions/1");
  expect(held.version).toBe(1);
  const files = await store.certificates.files("shop");
  expect(files?.certificate).toBe(join(folder, "current/cert.pem"));
  const key = createPrivateKey(await readFile(files?.privateKey ?? ""));
  const fullchain = await readFile(files?.fullchain ?? "", "utf8");
  expect(new X509Certificate(fullchain).checkPrivateKey(key)).toBe(true);
  expect(fullchain.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);

  const again = openAt(root).store.certificates;
  expect(await again.read("shop")).toEqual({
    name: "shop",
    request: requestOf("shop"),
    status: { failures: 0 },
    held,
  });
  expect((await again.readPrivateKey("shop"))?.trim()).toBe(version.privateKey.trim());
  expect((await again.readCertificate("shop"))?.certificate.trim()).toBe(
    version.certificate.trim(),
  );
  expect(await tree(root)).toEqual([
    "certificates",
    "certificates/shop",
    "certificates/shop/certificate.json",
    "certificates/shop/current",
    "certificates/shop/versions",
    "certificates/shop/versions/1",
    ...["cert.pem", "chain.pem", "fullchain.pem", "meta.json", "privkey.pem"].map(
      (file) => `certificates/shop/versions/1/${file}`,
    ),
    "locks",
  ]);
});

test("the last five versions are kept, and a version that an administrator chose by hand is not overwritten", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  for (let n = 1; n <= 7; n++) {
    await store.certificates.commit("shop", await newVersion(`0${n}`), lock);
  }
  const folder = join(root, "certificates/shop");
  expect((await readdir(join(folder, "versions"))).toSorted()).toEqual(["3", "4", "5", "6", "7"]);
  expect(await readlink(join(folder, "current"))).toBe("versions/7");

  // An administrator points back to an old version: it is not pruned while it is current, and never numbered over.
  await rm(join(folder, "current"));
  await symlink("versions/3", join(folder, "current"));
  const held = await store.certificates.commit("shop", await newVersion("08"), lock);
  expect(held.version).toBe(8);
  expect(await readlink(join(folder, "current"))).toBe("versions/8");
  await lock.release();
});

test("a version has the access that an administrator gave to the one before, but its key is never wider than 0640", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.commit("shop", await newVersion("01"), lock);
  const versions = join(root, "certificates/shop/versions");
  const accessOf = async (name: string) => {
    const { mode, gid } = await lstat(join(versions, name));
    return [(mode & 0o777).toString(8), gid];
  };
  const [, own] = await accessOf("1");
  // Only root may give files to any group.
  const group = process.getuid?.() === 0 ? 54321 : Number(own);
  const wide = { "1": 0o755, "1/privkey.pem": 0o666, "1/cert.pem": 0o664, "1/chain.pem": 0o640 };
  for (const [name, mode] of Object.entries(wide)) {
    await chown(join(versions, name), process.getuid?.() ?? 0, group);
    await chmod(join(versions, name), mode);
  }
  const unchanged = await accessOf("1/meta.json");
  await store.certificates.commit("shop", await newVersion("02"), lock);
  await lock.release();
  expect(await accessOf("2")).toEqual(["755", group]);
  expect(await accessOf("2/privkey.pem")).toEqual(["640", group]);
  expect(await accessOf("2/cert.pem")).toEqual(["644", group]);
  expect(await accessOf("2/chain.pem")).toEqual(["640", group]);
  expect(await accessOf("2/meta.json")).toEqual(unchanged);
  expect(await accessOf("2/fullchain.pem")).toEqual(await accessOf("1/fullchain.pem"));
});

test("a commit without its lock leaves no files behind", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.commit("shop", await newVersion("01"), lock);
  const before = await tree(join(root, "certificates"));
  await lock.release();

  await expect(
    store.certificates.commit("shop", await newVersion("02"), lock),
  ).rejects.toMatchObject({ exitCode: 8 });
  expect(await tree(join(root, "certificates"))).toEqual(before);
  expect(await readlink(join(root, "certificates/shop/current"))).toBe("versions/1");
});

test("the next commit removes temporary files of killed runs", async () => {
  const { store, root } = await openStore();
  const folder = join(root, "certificates/shop");
  await mkdir(join(folder, "versions/.tmp-00"), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, "versions/.tmp-00/privkey.pem"), "half");
  await mkdir(join(folder, "versions/.removed-1"));
  await symlink("versions/9", join(folder, ".current.tmp-00"));
  await writeFile(join(folder, ".certificate.json.tmp-00"), "{");

  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.saveRequest(requestOf("shop"));
  await store.certificates.commit("shop", await newVersion("01"), lock);
  await lock.release();

  expect((await readdir(folder)).toSorted()).toEqual(["certificate.json", "current", "versions"]);
  expect(await readdir(join(folder, "versions"))).toEqual(["1"]);
});

test("certificate names cannot leave the state folder, and two names do not share a folder", async () => {
  const { store, root } = await openStore();
  const long = `*.${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.example.com`;
  for (const name of ["*.example.com", "2001:db8::1", "::1", "Shop_1", long]) {
    await store.certificates.saveRequest(requestOf(name));
    expect((await store.certificates.read(name))?.name).toBe(name);
  }
  expect((await store.certificates.names()).toSorted()).toEqual(
    ["*.example.com", "2001:db8::1", "::1", "Shop_1", long].toSorted(),
  );
  expect(await readdir(join(root, "certificates"))).toContain("_.example.com");

  const clash = await store.certificates.saveRequest(requestOf("_.example.com")).catch((e) => e);
  expect(clash).toMatchObject({ exitCode: 2 });
  expect(clash.message).toContain("*.example.com");
  const hostile = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "a\0b",
    "-rf",
    ".hidden",
    "a b",
    "ä",
    "x\n",
  ];
  for (const name of [...hostile, "*", "a*b", "x".repeat(256)]) {
    await expect(store.certificates.saveRequest(requestOf(name))).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(store.certificates.remove(name)).rejects.toMatchObject({ exitCode: 2 });
    await expect(store.journal.remove(name)).rejects.toMatchObject({ exitCode: 2 });
  }
  expect(await readdir(join(root, ".."))).toEqual(["state"]);
});

test("a broken record is moved aside and stays a Problem until it is removed", async () => {
  const { store, root } = await openStore();
  await store.certificates.saveRequest(requestOf("shop"));
  const folder = join(root, "certificates/shop");
  await writeFile(join(folder, "certificate.json"), "");

  const first = await store.certificates.read("shop").catch((error) => error);
  expect(first).toMatchObject({ exitCode: 3 });
  expect(first.message).toContain(join(folder, "certificate.json"));
  expect(await store.certificates.names()).toEqual(["shop"]);
  const second = await store.certificates.updateStatus("shop", (s) => s).catch((error) => error);
  expect(second).toMatchObject({ exitCode: 3 });
  const aside = (await readdir(folder)).find((entry) => entry.includes(".corrupt-")) ?? "";
  expect(second.message).toContain(aside);

  await rm(join(folder, aside));
  expect(await store.certificates.read("shop")).toBeUndefined();
});

test("a record of a newer acmectl is refused and not changed", async () => {
  const { store, root } = await openStore();
  await store.certificates.saveRequest(requestOf("shop"));
  const path = join(root, "certificates/shop/certificate.json");
  const newer = (await readFile(path, "utf8")).replace('"version": 1', '"version": 2');
  await writeFile(path, newer);

  await expect(store.certificates.read("shop")).rejects.toThrow(/format 2/);
  expect(await readFile(path, "utf8")).toBe(newer);
});

test("a record that is a JSON array is called so", async () => {
  const { store, root } = await openStore();
  await store.certificates.saveRequest(requestOf("shop"));
  await writeFile(join(root, "certificates/shop/certificate.json"), "[]");
  await expect(store.certificates.read("shop")).rejects.toThrow(
    /certificate\.json is not a JSON object\./,
  );
});

test("a version with an empty key does not count as held, and its key is moved aside with a message", async () => {
  const { store, root, warnings } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.saveRequest(requestOf("shop"));
  await store.certificates.commit("shop", await newVersion("01"), lock);
  await writeFile(join(root, "certificates/shop/versions/1/privkey.pem"), "");

  expect((await store.certificates.read("shop"))?.held).toBeUndefined();
  expect(warnings.join()).toContain("privkey.pem");
  await expect(store.certificates.readPrivateKey("shop")).rejects.toThrow(/is empty.*moved to/);
  expect((await store.certificates.commit("shop", await newVersion("02"), lock)).version).toBe(2);
  expect((await store.certificates.read("shop"))?.held?.meta.serial).toBe("02");
  await lock.release();
});

test("a state folder copied without its links is refused with a hint", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.saveRequest(requestOf("shop"));
  await store.certificates.commit("shop", await newVersion("01"), lock);
  const folder = join(root, "certificates/shop");
  await rm(join(folder, "current"));
  await cp(join(folder, "versions/1"), join(folder, "current"), { recursive: true });

  await expect(store.certificates.read("shop")).rejects.toMatchObject({
    exitCode: 3,
    hint: expect.stringContaining("acmectl state check --repair"),
  });
  await rm(join(folder, "current"), { recursive: true });
  await symlink("../../../etc", join(folder, "current"));
  await expect(store.certificates.read("shop")).rejects.toThrow(/points to/);
  await lock.release();
});

test("a removed certificate leaves no key on disk", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.saveRequest(requestOf("shop"));
  await store.certificates.commit("shop", await newVersion("01"), lock);
  await store.certificates.remove("shop");
  await store.certificates.remove("shop");
  await lock.release();

  expect(await store.certificates.names()).toEqual([]);
  expect(await tree(root)).toEqual(["certificates", "locks"]);
  expect((await lstat(root)).mode & 0o777).toBe(0o700);
});

test("a certificate without its record is a Problem", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(lockOf("shop"), atOnce);
  await store.certificates.saveRequest(requestOf("shop"));
  await store.certificates.commit("shop", await newVersion("01"), lock);
  const folder = join(root, "certificates/shop");
  await rm(join(folder, "certificate.json"));

  const missing = await store.certificates.read("shop").catch((error) => error);
  expect(missing).toMatchObject({ exitCode: 3, retryable: false });
  expect(missing.message).toContain(`${join(folder, "certificate.json")} is missing`);
  expect(missing.message).toContain(join(folder, "versions/1"));
  expect(missing.hint).toContain("Restore the file");
  // A run that was under way writes its status, and nothing of what was wanted.
  await store.certificates.updateStatus("shop", (status) => ({ ...status, failures: 1 }));
  expect(await store.certificates.names()).toEqual(["shop"]);
  await expect(store.certificates.read("shop")).rejects.toMatchObject({ exitCode: 3 });
  await store.certificates.remove("shop");
  await lock.release();
  expect(await store.certificates.read("shop")).toBeUndefined();
});

test("paths and wildcard names in suggested commands are quoted for the shell", async () => {
  const { root: parent } = await openStore();
  const { store, root } = openAt(`${parent}/my state`);
  const lock = await store.lock("certificate:*.example.com", { wait: 0, signal: never });
  await store.certificates.saveRequest(requestOf("*.example.com"));
  await store.certificates.commit("*.example.com", await newVersion("01"), lock);
  await lock.release();
  await rm(join(root, "certificates/_.example.com/certificate.json"));
  await expect(store.certificates.read("*.example.com")).rejects.toMatchObject({
    hint: expect.stringContaining(`acmectl delete '*.example.com' --yes --state '${root}'`),
  });
  await expect(assertTarget(join(parent, "no such/file"), "--output")).rejects.toMatchObject({
    hint: `Create it: mkdir -p '${join(parent, "no such")}'`,
  });
});
