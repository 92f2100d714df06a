import { runHint } from "../support/shell.ts";
import { execFile } from "node:child_process";
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import type { CopySetting } from "../../src/certificate.ts";
import { newVersion } from "../state/material.ts";
import { never } from "../state/state.ts";
import { name, openWorld, type World } from "./world.ts";

const root = process.getuid?.() === 0;
const modeOf = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8);
const umask = process.umask();
afterEach(() => void process.umask(umask));

const all = (world: World): CopySetting => ({
  key: world.at("key.pem"),
  combined: world.at("combined.pem"),
  fullchain: world.at("fullchain.pem"),
  cert: world.at("cert.pem"),
  chain: world.at("chain.pem"),
});
const contentsOf = async (world: World) =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(world.folder)).map(
        async (file) => [file, await readFile(world.at(file), "utf8")] as const,
      ),
    ),
  );

test.each([0o000, 0o022, 0o077, 0o777])(
  "keys are for their owner alone and certificates for everybody, under umask %o",
  async (mask) => {
    const world = await openWorld();
    await world.want([{ copy: all(world) }]);
    process.umask(mask);
    expect(await world.deploy()).toBeUndefined();
    process.umask(umask);
    const modes = await Promise.all(
      (await readdir(world.folder)).map(async (file) => `${file} ${await modeOf(world.at(file))}`),
    );
    expect(modes.toSorted()).toEqual([
      "cert.pem 644",
      "chain.pem 644",
      "combined.pem 600",
      "fullchain.pem 644",
      "key.pem 600",
    ]);
  },
);

test("copies have the content of the certificate, and the next version replaces all of them", async () => {
  const world = await openWorld();
  await world.want([{ copy: all(world) }]);
  for (const again of [false, true]) {
    if (again) await world.issue();
    expect(await world.deploy()).toBeUndefined();
    const paths = await world.tools.store.certificates.files(name);
    if (paths?.privateKey === undefined) throw new Error("there is no key");
    const [key, cert, chain, fullchain] = await Promise.all(
      [paths.privateKey, paths.certificate, paths.chain, paths.fullchain].map((path) =>
        readFile(path, "utf8"),
      ),
    );
    expect(await contentsOf(world)).toEqual({
      "key.pem": key,
      "cert.pem": cert,
      "chain.pem": chain,
      "fullchain.pem": fullchain,
      "combined.pem": `${fullchain}${key}`,
    });
  }
});

test("the files of a request are copied before its deploy steps", async () => {
  const world = await openWorld();
  const fullchain = world.at("fullchain.pem");
  await world.want([{ run: ["test", "-s", fullchain] }], { outputs: { fullchain } });
  expect(await world.deploy()).toBeUndefined();
  expect((await world.states()).map(({ state }) => state)).toEqual(["done", "done"]);
});

test("a reader of the old file keeps it whole, since the new one is another inode", async () => {
  const world = await openWorld();
  await world.want([{ copy: { key: world.at("key.pem") } }]);
  await world.deploy();
  const before = await stat(world.at("key.pem"));
  await world.deploy({ all: true });
  expect((await stat(world.at("key.pem"))).ino).not.toBe(before.ino);
});

test.each([
  [0o644, "600"],
  [0o664, "600"],
  // Its group is that of every file that acmectl makes, which shows no intent.
  [0o640, "600"],
  [0o400, "600"],
])("a key file of mode %o is replaced by one of mode %s", async (mode, after) => {
  const world = await openWorld();
  const [key, cert] = [world.at("key.pem"), world.at("cert.pem")];
  for (const path of [key, cert]) {
    await writeFile(path, "old");
    await chmod(path, path === key ? mode : 0o640);
  }
  await world.want([{ copy: { key, cert } }]);
  await world.deploy();
  expect([await modeOf(key), await modeOf(cert)]).toEqual([after, "640"]);
  await world.want([{ copy: { key, cert, mode: "0400" } }]);
  await world.deploy();
  expect([await modeOf(key), await modeOf(cert)]).toEqual(["400", "400"]);
});

test.skipIf(!root)("a key file of mode 640 that was given to a group stays so", async () => {
  const world = await openWorld();
  const key = world.at("key.pem");
  await writeFile(key, "old");
  await chown(key, 0, 4712);
  await chmod(key, 0o640);
  await world.want([{ copy: { key } }]);
  await world.deploy();
  const { gid } = await stat(key);
  expect([await modeOf(key), gid]).toEqual(["640", 4712]);
});

test.skipIf(!root)(
  "owner and group are set by name or number, and else stay as they were",
  async () => {
    const world = await openWorld();
    const key = world.at("key.pem");
    const ownerOf = async () => {
      const { uid, gid } = await stat(key);
      return [uid, gid];
    };
    const idOf = async (database: string, entry: string) => {
      const { stdout } = await promisify(execFile)("getent", [database, entry]);
      return Number(stdout.split(":")[2]);
    };
    await world.want([{ copy: { key, owner: "daemon", group: "mail", mode: "0440" } }]);
    expect(await world.deploy()).toBeUndefined();
    expect(await ownerOf()).toEqual([await idOf("passwd", "daemon"), await idOf("group", "mail")]);
    expect(await modeOf(key)).toBe("440");
    await world.want([{ copy: { key, owner: "4711", group: "4712" } }]);
    await world.deploy();
    expect(await ownerOf()).toEqual([4711, 4712]);
    await world.want([{ copy: { key } }]);
    await world.deploy();
    expect(await ownerOf()).toEqual([4711, 4712]);
    await chown(key, 0, 0);
  },
);

test("an unknown owner is reported before anything is written", async () => {
  const world = await openWorld();
  const key = world.at("key.pem");
  for (const owner of ["no-such-user", "-s", "daemon:x"]) {
    await world.want([{ copy: { key, owner } }]);
    expect((await world.deploy())?.message).toContain(
      `The user "${owner}" does not exist on this machine.`,
    );
  }
  expect(await readdir(world.folder)).toEqual([]);
});

test("a symbolic link stays, and its target is replaced or created", async () => {
  const world = await openWorld();
  await mkdir(world.at("real"));
  const [key, cert] = [world.at("key.pem"), world.at("cert.pem")];
  await writeFile(world.at("real/key.pem"), "old");
  await symlink("real/key.pem", key);
  await symlink(world.at("real/cert.pem"), cert);
  await world.want([{ copy: { key, cert } }]);
  expect(await world.deploy()).toBeUndefined();
  for (const [link, target] of [
    [key, "real/key.pem"],
    [cert, "real/cert.pem"],
  ] as const) {
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(world.at(target), "utf8")).toContain("-----BEGIN");
  }
});

test.skipIf(!root)("a symbolic link of another user is not followed", async () => {
  const world = await openWorld();
  await writeFile(world.at("passwd"), "root");
  await symlink(world.at("passwd"), world.at("key.pem"));
  await lchown(world.at("key.pem"), 4711, 4711);
  await world.want([{ copy: { key: world.at("key.pem") } }]);
  expect((await world.deploy())?.message).toContain("another user (user id 4711)");
  expect(await readFile(world.at("passwd"), "utf8")).toBe("root");
});

test.skipIf(!root)("a folder that is a symbolic link of another user is not followed", async () => {
  const world = await openWorld();
  for (const folder of ["real/tls", "ours"]) await mkdir(world.at(folder), { recursive: true });
  await symlink("real", world.at("theirs"));
  await lchown(world.at("theirs"), 4711, 4711);
  await symlink("../real/tls", world.at("ours/link"));
  await world.want([{ copy: { cert: world.at("theirs/tls/cert.pem") } }]);
  expect((await world.deploy())?.message).toMatch(/theirs is a symbolic link of another user/);
  await world.want([{ copy: { cert: world.at("ours/link/cert.pem") } }]);
  expect(await world.deploy()).toBeUndefined();
  expect(await readdir(world.at("real/tls"))).toEqual(["cert.pem"]);
});

test("reports a folder, a loop of links and a missing folder instead of replacing them", async () => {
  const world = await openWorld();
  await mkdir(world.at("folder"));
  await symlink("loop", world.at("loop"));
  const messageFor = async (path: string) => {
    await world.want([{ copy: { cert: world.at(path) } }]);
    const problem = await world.deploy();
    return `${problem?.message} ${problem?.hint}`;
  };
  expect(await messageFor("folder")).toContain("is a directory, so acmectl does not replace it");
  expect(await messageFor("loop")).toContain(
    "is not a regular file, so acmectl does not replace it",
  );
  const missing = await messageFor("missing/cert.pem");
  expect(missing).toContain(`mkdir -p ${world.at("missing")}`);
  expect((await readdir(world.folder)).toSorted()).toEqual(["folder", "loop"]);
  runHint(missing);
  expect(await world.deploy()).toBeUndefined();
});

test("copying the key of a certificate from a CSR fails", async () => {
  const world = await openWorld();
  await world.want([{ copy: { key: world.at("key.pem"), cert: world.at("cert.pem") } }]);
  await promisify(execFile)("rm", [
    "-r",
    `${world.tools.store.where}/certificates/${name}/versions`,
  ]);
  const { privateKey: _, ...version } = await newVersion("77");
  const meta = { ...version.meta, keyType: "csr" as const };
  const lock = await world.tools.store.lock(`certificate:${name}`, {
    wait: 0,
    signal: never,
  });
  await promisify(execFile)("rm", [`${world.tools.store.where}/certificates/${name}/current`]);
  await world.tools.store.certificates.commit(name, { ...version, meta }, lock);
  await lock.release();
  expect((await world.deploy())?.message).toContain("acmectl does not have the private key");
});
