/**
 * Root writes into a folder that another user owns. Before each file system call of a challenge, that user puts something else
 * in the place of a folder or a file: nothing outside the folder may be written, removed or given away.
 */
import {
  chmod,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  lstat as realLstat,
  rename as realRename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { Problem } from "acmectl/plugin";
import { challengeFor, recordingLog, solverContext } from "acmectl/testing";
import webroot from "./index.ts";

const steps = vi.hoisted(() => ({ before: undefined as (() => Promise<void>) | undefined }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const watched = [
    "mkdir",
    "lstat",
    "stat",
    "open",
    "readdir",
    "rename",
    "rmdir",
    "unlink",
  ] as const;
  const wrapped = watched.map((name) => [
    name,
    async (...given: unknown[]) => {
      await steps.before?.();
      return Reflect.apply(real[name], undefined, given) as unknown;
    },
  ]);
  return { ...real, ...Object.fromEntries(wrapped) };
});

const attacker = 12_345;
const challenge = challengeFor("http-01", "example.com");
const signal = new AbortController().signal;

interface Scene {
  /** Served, and the attacker's. */
  readonly root: string;
  /** Root's, and not readable for the attacker. */
  readonly victim: string;
}

/** What the attacker, who owns the served folder, can do there. */
const attacks: Record<string, (scene: Scene) => Promise<void>> = {
  "a link to another folder for .well-known": ({ root, victim }) =>
    linked(victim, join(root, ".well-known")),
  "a link to another folder for acme-challenge": ({ root, victim }) =>
    linked(victim, join(root, ".well-known/acme-challenge")),
  "a link to a file for the response": ({ root, victim }) =>
    linked(join(victim, challenge.token), join(root, challenge.path)),
  "a folder of root's for .well-known": ({ root }) =>
    moved(join(root, "secret"), join(root, ".well-known")),
  "a folder of root's for acme-challenge": ({ root }) =>
    moved(join(root, "secret"), join(root, ".well-known/acme-challenge")),
  "nothing for .well-known": ({ root }) =>
    rm(join(root, ".well-known"), { recursive: true, force: true }),
};

async function linked(target: string, path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await symlink(target, path);
  await lchown(path, attacker, attacker);
}

async function moved(from: string, path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await realRename(from, path);
}

async function withScene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "acmectl-webroot-race-"));
  const scene = { root: join(folder, "site"), victim: join(folder, "victim") };
  try {
    await mkdir(scene.root);
    await lchown(scene.root, attacker, attacker);
    await mkdir(join(scene.root, "secret"), { mode: 0o700 });
    await writeFile(join(scene.root, "secret/kept"), "kept", { mode: 0o600 });
    await mkdir(scene.victim, { mode: 0o700 });
    // What cleanup would remove if it went there.
    for (const place of [".", "acme-challenge"]) {
      await mkdir(join(scene.victim, place), { recursive: true });
      await writeFile(join(scene.victim, place, challenge.token), challenge.body);
    }
    await work(scene);
  } finally {
    await chmod(folder, 0o700);
    await rm(folder, { recursive: true });
  }
}

/** Each path with its owner, mode, content and time of change. */
async function stateOf(folder: string): Promise<readonly unknown[]> {
  const paths = await readdir(folder, { recursive: true });
  return Promise.all(
    ["", ...paths].toSorted().map(async (path) => {
      const found = await realLstat(join(folder, path));
      const content = found.isFile() ? await readFile(join(folder, path), "utf8") : undefined;
      return [path, found.uid, found.mode, found.ctimeMs, content];
    }),
  );
}

/** Where the folder that the attacker moved is now: its owner and mode. */
async function secretOf(root: string) {
  for (const place of ["secret", ".well-known", ".well-known/acme-challenge"]) {
    const path = join(root, place);
    const isIt = await readFile(join(path, "kept"), "utf8").catch(() => "");
    if (isIt === "kept") return realLstat(path);
  }
  return undefined;
}

async function round({ root }: Scene): Promise<void> {
  const options = { directory: root, directories: undefined, owner: undefined };
  const modes = { fileMode: "0644", directoryMode: "0755" };
  const log = recordingLog();
  const solver = await webroot.create({ ...options, ...modes }, solverContext({ log }));
  const refused = (error: unknown) => {
    if (!Problem.is(error)) throw error;
  };
  const receipt = await solver.present(challenge, { signal }).catch(refused);
  await solver.cleanup(challenge, receipt ?? { made: [] }, { signal }).catch(refused);
}

/** True if there was such a step, before which the attack was made. */
async function attackedAt(at: number, attack: (scene: Scene) => Promise<void>): Promise<boolean> {
  let made = false;
  await withScene(async (scene) => {
    const before = await stateOf(scene.victim);
    let step = 0;
    steps.before = async () => {
      if (made || step++ !== at) return;
      made = true;
      await attack(scene).catch(() => undefined);
    };
    await round(scene);
    steps.before = undefined;
    expect(await stateOf(scene.victim), `attack at step ${at}`).toEqual(before);
    const secret = await secretOf(scene.root);
    if (secret !== undefined)
      expect([secret.uid, secret.mode & 0o777], `attack at step ${at}`).toEqual([0, 0o700]);
  });
  return made;
}

describe.skipIf(process.geteuid?.() !== 0)("a webroot of another user, who puts", () => {
  it.each(Object.entries(attacks))(
    "%s at any moment, leads root nowhere else",
    async (_, attack) => {
      let steps = 0;
      while (await attackedAt(steps, attack)) steps += 1;
      expect(steps).toBeGreaterThan(10);
      expect(steps).toBeLessThan(100);
    },
  );
});
