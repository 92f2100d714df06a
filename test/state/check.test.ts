import { execFile } from "node:child_process";
import {
  chmod,
  chown,
  cp,
  lutimes,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { splitWords } from "../../src/options/words.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { silentLog } from "../../src/testing.ts";
import { testClock } from "../support/clock.ts";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { newVersion, requestOf } from "./material.ts";
import { never, openAt, openStore } from "./state.ts";

const dns = (value: string) => ({ type: "dns", value });
const ip = (value: string) => ({ type: "ip", value });

const atOnce = { wait: 0, signal: never };

async function withCertificates(...names: readonly string[]) {
  const opened = await openStore();
  const { store, root } = opened;
  for (const name of names) {
    const lock = await store.lock(`certificate:${name}`, atOnce);
    await store.certificates.saveRequest(requestOf(name));
    await store.certificates.commit(name, await newVersion("01"), lock);
    await store.certificates.commit(name, await newVersion("02"), lock);
    await lock.release();
  }
  const acmectl = (words: readonly string[]) =>
    run([...words, "--state", root], { env: { HOME: root } });
  return { ...opened, folder: join(root, "certificates", names[0] ?? ""), acmectl };
}

/** Runs the command line that a hint ends with, exactly as it is printed. */
async function followHint(promise: Promise<unknown>) {
  const problem = await promise.then(
    () => undefined,
    (error: { hint?: string }) => error,
  );
  const command = /acmectl (.*)$/.exec(problem?.hint ?? "")?.[1] ?? "";
  return run(splitWords(command) ?? [], { env: {} });
}

describe("a state folder that was copied or changed by hand", () => {
  test.each([
    [
      "a real folder in place of the link",
      async (folder: string) => {
        await rm(join(folder, "current"));
        await cp(join(folder, "versions/2"), join(folder, "current"), { recursive: true });
      },
    ],
    [
      "a link to another place",
      async (folder: string) => {
        await rm(join(folder, "current"));
        await symlink("../../../etc", join(folder, "current"));
      },
    ],
  ])("is repaired by the command in the hint: %s", async (_, damage) => {
    const { folder, store } = await withCertificates("shop");
    await damage(folder);
    const ran = await followHint(store.certificates.read("shop"));
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining("linked to versions/2") });
    expect(await readlink(join(folder, "current"))).toBe("versions/2");
    expect((await store.certificates.read("shop"))?.held?.meta.serial).toBe("02");
  });

  test("gets its missing link back", async () => {
    const { folder, store, acmectl } = await withCertificates("shop");
    await rm(join(folder, "current"));
    const found = await acmectl(["state", "check", "--json"]);
    expect(found.code).toBe(3);
    expect(JSON.parse(found.stdout).findings).toMatchObject([
      { where: join(folder, "current"), fault: "the link is missing" },
    ]);
    expect((await acmectl(["state", "check", "--repair"])).code).toBe(0);
    expect((await store.certificates.read("shop"))?.held?.meta.serial).toBe("02");
    const again = await acmectl(["state", "check"]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("no damage") });
  });

  test("a key of another certificate is noticed, and the newest good version is used", async () => {
    const { folder, store, warnings, acmectl } = await withCertificates("shop");
    const key = await readFile(join(folder, "versions/1/privkey.pem"));
    await writeFile(join(folder, "versions/2/privkey.pem"), key);
    expect((await store.certificates.read("shop"))?.held).toBeUndefined();
    expect(warnings.join()).toContain("privkey.pem is not the key of cert.pem");
    expect((await acmectl(["state", "check", "--repair"])).code).toBe(0);
    expect((await store.certificates.read("shop"))?.held?.meta.serial).toBe("01");
  });

  test.each([
    ["a later end", { notAfter: "2036-04-01T00:00:00.000Z" }, "has other dates"],
    ["an earlier start", { notBefore: "2025-04-01T00:00:00.000Z" }, "has other dates"],
    ["a name less", { identifiers: [ip("2001:db8::1")] }, "has other names"],
    [
      "another address",
      { identifiers: [dns("shop.example.com"), ip("2001:db8::2")] },
      "has other names",
    ],
    ["another certificate", { fingerprint: "ab".repeat(32) }, "is about another certificate"],
  ])("a meta.json that was edited to %s is noticed", async (_, change, told) => {
    const { folder, store, warnings } = await withCertificates("shop");
    expect((await store.certificates.read("shop"))?.held?.meta.serial).toBe("02");
    const meta = join(folder, "versions/2/meta.json");
    const record = JSON.parse(await readFile(meta, "utf8"));
    await writeFile(meta, JSON.stringify({ ...record, ...change }));
    expect((await store.certificates.read("shop"))?.held).toBeUndefined();
    expect(warnings.join()).toContain(`meta.json ${told}`);
  });

  test("a fullchain without its chain is noticed", async () => {
    const { folder, store, warnings } = await withCertificates("shop");
    await cp(join(folder, "versions/2/cert.pem"), join(folder, "versions/2/fullchain.pem"));
    expect((await store.certificates.read("shop"))?.held).toBeUndefined();
    expect(warnings.join()).toContain("fullchain.pem is not cert.pem followed by chain.pem");
  });

  test("a chain file of another certificate is noticed", async () => {
    const { folder, store, warnings } = await withCertificates("shop");
    await cp(join(folder, "versions/1/fullchain.pem"), join(folder, "versions/2/fullchain.pem"));
    expect((await store.certificates.read("shop"))?.held).toBeUndefined();
    expect(warnings.join()).toContain("are different certificates");
  });

  test("a renamed certificate folder is reported by list and status --check, and renamed back", async () => {
    const { folder, root, store, acmectl } = await withCertificates("shop", "other");
    await rename(folder, join(root, "certificates/moved"));
    const list = await acmectl(["list"]);
    expect(list.stdout).toMatch(/moved +- .*broken/);
    const check = await acmectl(["status", "--check"]);
    expect(check.code).not.toBe(0);
    expect(check.stdout + check.stderr).toContain("moved");
    const ran = await followHint(store.certificates.read("moved"));
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining("renamed to") });
    expect(await store.certificates.names()).toEqual(["other", "shop"]);
    expect((await store.certificates.read("shop"))?.held?.version).toBe(2);
  });

  test("a copy of a certificate folder is reported and not removed", async () => {
    const { folder, root, acmectl } = await withCertificates("shop");
    await cp(folder, join(root, "certificates/copy"), { recursive: true, verbatimSymlinks: true });
    const ran = await acmectl(["state", "check", "--repair"]);
    expect(ran).toMatchObject({ code: 3, stdout: expect.stringContaining("has the same") });
    expect(await readdir(join(root, "certificates"))).toEqual(["copy", "shop"]);
    const found = await acmectl(["state", "check"]);
    expect(JSON.parse((await acmectl(["state", "check", "--json"])).stdout).findings).toHaveLength(
      1,
    );
    expect(found.stdout + found.stderr).not.toContain("--repair");
    const listed = await acmectl(["list"]);
    expect(listed.stdout).toContain(`Move it out of the state folder: ${folder} has the same`);
    expect(listed.stdout).not.toContain("--repair");
  });

  test("state check names --repair only when it repairs something", async () => {
    const { folder, acmectl } = await withCertificates("shop", "other");
    for (const number of [1, 2]) await writeFile(join(folder, `versions/${number}/cert.pem`), "");
    const hopeless = await acmectl(["state", "check"]);
    expect(hopeless).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("Follow the remedies"),
    });
    expect(hopeless.stdout + hopeless.stderr).not.toContain("--repair");
    await chmod(join(folder, "versions/2/privkey.pem"), 0o644);
    const both = await acmectl(["state", "check"]);
    expect(both.stderr).toMatch(/Repair 1 of them, and follow.*: acmectl state check --repair/);
    await rm(join(folder, "../other/current"));
    await rm(folder, { recursive: true });
    expect((await acmectl(["state", "check"])).stderr).toContain(
      "Repair it: acmectl state check --repair",
    );
  });

  test("a certificate without its record can be deleted by the command in the hint", async () => {
    const { folder, store } = await withCertificates("shop");
    await rm(join(folder, "certificate.json"));
    const problem = await store.certificates.read("shop").catch((error) => error);
    const command = /`acmectl (.*?)`/.exec(problem.hint)?.[1] ?? "";
    expect(await run(splitWords(command) ?? [], { env: {} })).toMatchObject({ code: 0 });
    expect(await store.certificates.names()).toEqual([]);
  });

  test("a key that every user may read is made private", async () => {
    const { folder, acmectl } = await withCertificates("shop");
    const key = join(folder, "versions/2/privkey.pem");
    await chmod(key, 0o644);
    const found = await acmectl(["state", "check"]);
    expect(found.code).toBe(3);
    expect((await acmectl(["state", "check", "--repair"])).code).toBe(0);
    expect((await stat(key)).mode & 0o777).toBe(0o640);
    await chmod(key, 0o604);
    const command = /^ +(chmod .*)$/m.exec(found.stdout)?.[1] ?? "";
    await promisify(execFile)("/bin/sh", ["-c", command]);
    expect((await stat(key)).mode & 0o777).toBe(0o600);
  });

  test("a certificate without any good version is issued again by the command in the remedy", async () => {
    await using issuing = await startIssuing();
    const name = "a.example.test";
    expect((await issuing.issue(["-d", name])).code).toBe(0);
    await writeFile(join(issuing.state, "certificates", name, "versions/1/privkey.pem"), "");
    const { code, stdout } = await issuing.run(["state", "check", "--repair"]);
    expect(code).toBe(3);
    const command = /acmectl (renew .*)$/m.exec(stdout)?.[1] ?? "";
    const env = { HOME: issuing.state };
    expect(await run(splitWords(command) ?? [], { env })).toMatchObject({ code: 0 });
    expect((await issuing.run(["state", "check"])).code).toBe(0);
  });

  test("temporary files of killed runs are removed, but not while a run has a lock", async () => {
    const { root, store, acmectl } = await withCertificates("shop");
    const leftover = join(root, "pending/.shop.json.tmp-00");
    await mkdir(join(root, "pending"), { mode: 0o700 });
    await writeFile(leftover, "{");
    const lock = await store.lock("certificate:other", atOnce);
    await acmectl(["state", "check", "--repair"]);
    expect(await readdir(join(root, "pending"))).toHaveLength(1);
    await lock.release();
    // A run that is about to take a lock may have written it within the last minute.
    await acmectl(["state", "check", "--repair"]);
    expect(await readdir(join(root, "pending"))).toHaveLength(1);
    const old = new Date(Date.now() - 120_000);
    await utimes(leftover, old, old);
    expect((await acmectl(["state", "check", "--repair"])).stdout).toContain("removed");
    expect(await readdir(join(root, "pending"))).toEqual([]);
  });
});

test("a run removes the temporary files of killed runs, unless they are new or another run has a lock", async () => {
  const { root, store } = await withCertificates("shop");
  const versions = join(root, "certificates/shop/versions");
  const [old, fresh] = [join(versions, ".tmp-01"), join(versions, ".tmp-02")];
  await mkdir(old);
  await mkdir(fresh);
  await writeFile(join(old, "privkey.pem"), "key");
  const before = new Date(Date.now() - 120_000);
  await utimes(old, before, before);
  await rm(join(root, ".swept"));
  const running = await store.lock("certificate:other", atOnce);
  const beside = await openAt(root).store.lock("certificate:third", atOnce);
  expect(await readdir(versions)).toContain(".tmp-01");
  for (const lock of [running, beside]) await lock.release();
  await (await openAt(root).store.lock("certificate:other", atOnce)).release();
  expect(await readdir(versions)).toEqual([".tmp-02", "1", "2"]);
});

describe("the folders are looked through for temporary files", () => {
  const planted = async (clock = systemClock) => {
    const { root, store } = await withCertificates("shop");
    await (await openAt(root).store.lock("certificate:other", atOnce)).release();
    const leftover = join(root, "certificates/shop/.certificate.json.tmp-01");
    await writeFile(leftover, "{");
    const before = new Date(Date.now() - 120_000);
    await utimes(leftover, before, before);
    const run = async () =>
      (
        await openFolderStore(root, { log: silentLog, clock }).lock("certificate:other", atOnce)
      ).release();
    return { root, store, run, isThere: () => existsSync(leftover) };
  };

  test("not by each run", async () => {
    const { run, isThere } = await planted();
    await run();
    expect(isThere()).toBe(true);
  });

  test("after a day, since a loss of power may take the lock of a killed run", async () => {
    const { run, isThere } = await planted(testClock(new Date(Date.now() + 25 * 3_600_000)));
    await run();
    expect(isThere()).toBe(false);
  });

  test("after a killed run, which has left its lock", async () => {
    const { root, store, run, isThere } = await planted();
    const lock = await store.lock("certificate:gone", atOnce);
    const [file = ""] = await readdir(join(root, "locks"));
    const path = join(root, "locks", file);
    const holder = await readlink(path);
    await lock.release();
    await symlink(holder.replace(/"startTime":"\d+"/, '"startTime":"1"'), path);
    await run();
    expect(isThere()).toBe(false);
  });
});

test("a certificate whose name looks like that of a temporary file is kept", async () => {
  const { root, store, folder, acmectl } = await withCertificates("www.tmp-1.example.com");
  const before = new Date(Date.now() - 120_000);
  await utimes(folder, before, before);
  await (await openAt(root).store.lock("certificate:other", atOnce)).release();
  await acmectl(["state", "check", "--repair"]);
  expect(await store.certificates.names()).toEqual(["www.tmp-1.example.com"]);
});

test("a run removes the locks of killed runs, of certificates that it does not touch too", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock("certificate:gone", atOnce);
  const [file = ""] = await readdir(join(root, "locks"));
  const path = join(root, "locks", file);
  const holder = JSON.parse(await readlink(path));
  await lock.release();
  await symlink(JSON.stringify({ ...holder, startTime: "1" }), path);
  const elsewhere = join(root, "locks", "elsewhere.lock");
  await symlink(JSON.stringify({ ...holder, host: "elsewhere" }), elsewhere);
  await lutimes(elsewhere, new Date(), new Date());

  const other = await openAt(root).store.lock("certificate:shop", atOnce);
  const left = await readdir(join(root, "locks"));
  expect(left).not.toContain(file);
  expect(left).toContain("elsewhere.lock");
  await other.release();
});

test("after a loss of power a run removes the locks and temporary links of before, and state check too", async () => {
  const { root, store, acmectl } = await withCertificates("shop");
  const lock = await store.lock("certificate:gone", atOnce);
  const locks = join(root, "locks");
  const [file = ""] = await readdir(locks);
  const holder = JSON.parse(await readlink(join(locks, file)));
  await lock.release();
  const links = join(root, "links", "lego");
  const link = join(links, ".shop.crt.tmp-01");
  const before = new Date(Date.now() - 2 * 3_600_000);
  const loss = async () => {
    await mkdir(links, { recursive: true, mode: 0o700 });
    await symlink("../../certificates/shop/current/fullchain.pem", link);
    const names = ["certificate-record_shop.lock", `${file}.claim-${"ab".repeat(16)}`];
    for (const name of names)
      await symlink(JSON.stringify({ ...holder, bootId: "earlier" }), join(locks, name));
    for (const path of [link, ...names.map((name) => join(locks, name))])
      await lutimes(path, before, before);
  };
  await loss();
  const checked = await acmectl(["state", "check"]);
  expect([checked.code, checked.stdout]).toEqual([3, expect.stringContaining(link)]);
  await loss().catch(() => undefined);
  expect((await acmectl(["state", "check", "--repair"])).stdout).toContain("removed");
  expect([await readdir(links), await readdir(locks)]).toEqual([[], []]);

  await loss();
  await (await openAt(root).store.lock("certificate:other", atOnce)).release();
  expect([await readdir(links), await readdir(locks)]).toEqual([[], []]);
});

test.each([["list"], ["state check"], ["status --check"], ["renew"]])(
  "%s fails when the state folder is a file",
  async (words) => {
    const { root } = await openStore();
    await writeFile(root, "");
    for (const state of [root, join(root, "below")]) {
      const ran = await run([...words.split(" "), "--state", state], { env: { HOME: "/nowhere" } });
      expect(ran.code).toBe(3);
      expect(ran.stderr).toMatch(/is a file, not a folder|not a directory/);
    }
  },
);

describe("a broken file", () => {
  test("is moved by no command that only reads, and reported every time", async () => {
    const { folder, root, acmectl } = await withCertificates("shop", "other");
    const pending = join(root, "pending");
    await mkdir(pending, { mode: 0o700 });
    await writeFile(join(pending, "other.json"), "garbage");
    await writeFile(join(folder, "certificate.json"), "garbage");
    for (const words of ["status --check", "list", "status", "plan", "state check", "state check"])
      await acmectl(words.split(" "));
    expect(await readdir(pending)).toEqual(["other.json"]);
    expect(await readFile(join(folder, "certificate.json"), "utf8")).toBe("garbage");
    expect((await acmectl(["status", "--check"])).code).toBe(11);
    const { code, stdout } = await acmectl(["state", "check"]);
    expect(code).toBe(3);
    expect(stdout).toContain(`${join(pending, "other.json")} is not JSON`);
    expect(stdout).toContain("Look in it for DNS records that a run may have left");
    expect(stdout).toContain(`Restore ${join(folder, "certificate.json")} from a backup`);
  });

  test("that a run moved aside is reported by state check until it is deleted", async () => {
    const { folder, root, store, acmectl } = await withCertificates("shop");
    const pending = join(root, "pending");
    await mkdir(pending, { mode: 0o700 });
    await writeFile(join(pending, "shop.json"), "garbage");
    await store.journal.read("shop").catch(() => undefined);
    const [journal = ""] = await readdir(pending);
    expect(journal).toContain(".corrupt-");
    const record = join(folder, "certificate.json.corrupt-20260101T000000000Z");
    await writeFile(record, "garbage");
    const { code, stdout } = await acmectl(["state", "check"]);
    expect(code).toBe(3);
    expect(stdout).toMatch(
      /shop\.json\.corrupt-\w+: it was broken.*\n +Look in it for DNS records/,
    );
    expect(stdout).toContain("certificate.json is in its place again: delete this file.");
    await rm(join(pending, journal));
    await rm(record);
    expect((await acmectl(["state", "check"])).code).toBe(0);
  });
});

test("list and state check say that the state folder does not exist", async () => {
  const { root } = await openStore();
  const env = { HOME: "/nowhere" };
  const list = await run(["list", "--state", root], { env });
  expect(list).toMatchObject({ code: 0 });
  expect(list.stdout).toContain(`the state folder ${root} does not exist`);
  const check = await run(["state", "check", "--state", root], { env });
  expect(check).toMatchObject({ code: 2 });
  expect(check.stderr).toContain(`The state folder ${root} does not exist`);
});

describe("access that an administrator gave to a key", () => {
  async function renewedWith(mode: number, group?: number) {
    const { folder, store } = await withCertificates("shop");
    const key = join(folder, "versions/2/privkey.pem");
    if (group !== undefined) await chown(key, process.getuid?.() ?? 0, group);
    await chmod(key, mode);
    await chmod(join(folder, "versions/2"), 0o750);
    const lines: string[] = [];
    const log = { debug() {}, warn() {}, info: (message: string) => void lines.push(message) };
    const next = openFolderStore(store.where, { log, clock: systemClock });
    const lock = await next.lock("certificate:shop", atOnce);
    await next.certificates.commit("shop", await newVersion("03"), lock);
    await lock.release();
    const [file, parent] = await Promise.all(
      ["versions/3/privkey.pem", "versions/3"].map((path) => stat(join(folder, path))),
    );
    return { file, parent, said: lines.join("\n") };
  }

  test("is kept by the next version, and the output says so", async ({ skip }) => {
    skip(process.getuid?.() !== 0, "only root can give files to any group");
    const { file, parent, said } = await renewedWith(0o640, 12_345);
    expect(file).toMatchObject({ gid: 12_345 });
    expect((file?.mode ?? 0) & 0o777).toBe(0o640);
    expect((parent?.mode ?? 0) & 0o777).toBe(0o750);
    expect(said).toContain("group 12345, mode 0640");
  });

  test("is kept when it is stricter than 0600", async () => {
    const { file } = await renewedWith(0o400);
    expect((file?.mode ?? 0) & 0o777).toBe(0o400);
  });

  test("is narrowed when every user may read the key", async () => {
    const { file, said } = await renewedWith(0o644);
    expect((file?.mode ?? 0) & 0o777).toBe(0o640);
    expect(said).toContain("it was 0644");
  });
});
