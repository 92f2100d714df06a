import { runHint } from "../support/shell.ts";
import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createFile, writeDurably } from "../../src/state/folder/files.ts";
import { newVersion, requestOf } from "./material.ts";
import { never, openAt, openStore, tree } from "./state.ts";

test.each(["0777", "0000", "0077"])(
  "files are 0600 and folders 0700 under umask %s",
  async (umask) => {
    const { store, root } = await openStore();
    const parent = dirname(root);
    const version = await newVersion("01");
    await writeFile(
      join(parent, "material.json"),
      JSON.stringify({
        versions: [version, version],
        keys: [version.privateKey, version.privateKey],
      }),
    );
    // The umask belongs to the whole process, so the writing is done in another one.
    const child = new URL("../faults/store-child.ts", import.meta.url).pathname;
    const command = `umask ${umask}; exec "$0" --conditions=source "$1" everything "$2"`;
    execFileSync("sh", ["-c", command, process.execPath, child, root], { stdio: "pipe" });

    const paths = (await tree(root)).filter((path) => !path.endsWith("/current"));
    expect(paths.length).toBeGreaterThan(15);
    for (const path of ["", ...paths]) {
      const found = await stat(join(root, path));
      expect((found.mode & 0o777).toString(8), path).toBe(found.isDirectory() ? "700" : "600");
    }
    expect((await store.certificates.read("shop"))?.held?.version).toBe(1);
  },
);

test("a symbolic link in place of a temporary file is not followed", async () => {
  const folder = await temporaryFolder();
  const victim = join(folder, "victim");
  await writeFile(victim, "untouched");
  await symlink(victim, join(folder, "planted"));
  await expect(createFile(join(folder, "planted"), "x")).rejects.toMatchObject({ code: "EEXIST" });

  // A leftover of the same pattern is removed, not followed; a link in the file's own place is replaced.
  await symlink(victim, join(folder, ".a.json.tmp-0"));
  await symlink(victim, join(folder, "a.json"));
  await writeDurably(join(folder, "a.json"), "new");
  expect(await readFile(victim, "utf8")).toBe("untouched");
  expect(await readFile(join(folder, "a.json"), "utf8")).toBe("new");
  expect((await readdir(folder)).toSorted()).toEqual(["a.json", "planted", "victim"]);
});

test("a run that loses its lock while it writes a file leaves the one that is there", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "a.json");
  await writeFile(path, "theirs");
  let looks = 0;
  const assert = async () => {
    if (looks++ > 0) throw new Error("lost");
  };
  await expect(writeDurably(path, "ours", assert)).rejects.toThrow("lost");
  expect(await readFile(path, "utf8")).toBe("theirs");
  expect(await readdir(folder)).toEqual(["a.json"]);
});

test("the probe for a writable folder leaves nothing behind", async () => {
  const { store, root } = await openStore();
  await store.checkWritable();
  expect(await readdir(root)).toEqual([]);
  await writeFile(join(root, ".probe-dead"), "");
  await store.checkWritable();
  expect(await readdir(root)).toEqual([]);
});

test("a state folder that cannot be created is a Problem with its path and a remedy", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "file"), "");
  const { store } = openAt(join(folder, "file/state"));
  await expect(store.checkWritable()).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringContaining(join(folder, "file/state")),
    hint: expect.stringContaining("--state DIR"),
  });
  await expect(store.certificates.names()).rejects.toMatchObject({ exitCode: 3 });
});

test("a folder with keys that belongs to another user or is writable by all is refused", async ({
  skip,
}) => {
  const { root } = await openStore();
  await mkdir(join(root, "accounts"), { recursive: true });
  await chmod(root, 0o777);
  const { store, warnings } = openAt(root);
  await store.checkWritable();
  await store.checkWritable();
  expect(warnings).toEqual([expect.stringContaining("chmod o-w")]);
  runHint(warnings[0]);
  expect((await stat(root)).mode & 0o777).toBe(0o775);

  await chmod(join(root, "accounts"), 0o777);
  const list = () => openAt(root).store.accounts.list();
  /** Runs the command that the hint ends with. */
  const followHint = async () => {
    const problem = await list().then(
      () => undefined,
      (error: { hint?: string }) => error,
    );
    const command = /run: (.*)$/.exec(problem?.hint ?? "")?.[1] ?? "";
    execFileSync("/bin/sh", ["-c", command]);
  };
  await expect(list()).rejects.toThrow(/is writable by every user/);
  await followHint();
  await list();

  skip(process.geteuid?.() !== 0, "only root can give files away");
  await chown(join(root, "accounts"), 12_345, 12_345);
  await expect(list()).rejects.toThrow(/belongs to user id 12345/);
  await followHint();
  await list();
});

test("a full disk is a Problem, and the held certificate stays", async ({ skip }) => {
  const folder = await temporaryFolder();
  try {
    execFileSync("sh", ["-c", 'mount -t tmpfs -o size=64k tmpfs "$0"', folder], { stdio: "pipe" });
  } catch {
    skip("mounting is not permitted here; store-commit.test.ts injects ENOSPC at every call");
  }
  onTestFinished(() => void execFileSync("sh", ["-c", 'umount "$0"', folder]));
  const { store, root } = openAt(join(folder, "state"));
  const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
  await store.certificates.saveRequest(requestOf("shop"));
  const held = await store.certificates.commit("shop", await newVersion("01"), lock);
  const before = await tree(join(root, "certificates"));

  const filler = await open(join(folder, "filler"), constants.O_WRONLY | constants.O_CREAT);
  await filler.writeFile(new Uint8Array(64 * 1024)).catch(() => undefined);
  await filler.close();
  const full = { exitCode: 3, message: expect.stringContaining("no space left on the device") };
  await expect(store.checkWritable()).rejects.toMatchObject(full);
  await expect(
    store.certificates.commit("shop", await newVersion("02"), lock),
  ).rejects.toMatchObject(full);
  expect(await tree(join(root, "certificates"))).toEqual(before);
  expect((await store.certificates.read("shop"))?.held).toEqual(held);

  await rm(join(folder, "filler"));
  expect((await store.certificates.commit("shop", await newVersion("02"), lock)).version).toBe(2);
  await lock.release();
});

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "acmectl-files-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
