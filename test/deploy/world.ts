import { X509Certificate } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CertificateRequest, DeployStep, HookSetting } from "../../src/certificate.ts";
import { systemClock } from "../../src/clock.ts";
import { deployCertificate, type DeployOptions } from "../../src/deploy/deploy.ts";
import { openOncePerRun } from "../../src/deploy/tools.ts";
import type { DeployTools } from "../../src/deploy/tools.ts";
import type { Problem } from "../../src/problem.ts";
import type { DeployState } from "../../src/state/certificate-status.ts";
import type { StoredCertificate } from "../../src/state/store.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { never, openStore } from "../state/state.ts";

/** A certificate that is held, and a folder for what is deployed. */
export interface World {
  readonly tools: DeployTools;
  /** Exists. */
  readonly folder: string;
  /** What was logged: level and text. */
  readonly lines: string[];
  readonly masked: string[];
  /** The request from now on. */
  want(steps: readonly DeployStep[], change?: Partial<CertificateRequest>): Promise<void>;
  /** Another version is issued; answers its PEM. */
  issue(): Promise<{ certificate: string; privateKey: string }>;
  deploy(options?: Partial<DeployOptions>): Promise<Problem | undefined>;
  read(): Promise<StoredCertificate>;
  states(): Promise<readonly DeployState[]>;
  /** A path of the deploy folder. */
  at(name: string): string;
  /** An executable of this text. */
  script(name: string, text: string): Promise<string>;
}

export const name = "shop";
let serial = 100;

export async function openWorld(
  steps: readonly DeployStep[] = [],
  change: Partial<DeployTools> = {},
): Promise<World> {
  const { store, root } = await openStore(change.clock);
  const folder = join(dirname(root), "deployed");
  await mkdir(folder);
  const lines: string[] = [];
  const masked: string[] = [];
  const log = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const tools: DeployTools = {
    store,
    log: { debug: log("debug"), info: log("info"), warn: log("warn") },
    clock: systemClock,
    signal: never,
    env: { PATH: process.env["PATH"] },
    cwd: folder,
    mask: (secret) => void masked.push(secret),
    once: openOncePerRun(),
    ...change,
  };
  const want: World["want"] = (deploy, more = {}) =>
    store.certificates.saveRequest({
      ...requestOf(name),
      ...more,
      hooks: { ...more.hooks, deploy: [...deploy] },
    });
  const issue: World["issue"] = async () => {
    const version = await newVersion(String((serial += 1)));
    const leaf = new X509Certificate(version.certificate);
    const fingerprint = leaf.fingerprint256.replaceAll(":", "").toLowerCase();
    const lock = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
    // A leaf without a chain: it has signed itself.
    const made = { ...version, chain: "", meta: { ...version.meta, fingerprint } };
    await store.certificates.commit(name, made, lock);
    await lock.release();
    return version;
  };
  const read = async () => {
    const certificate = await store.certificates.read(name);
    if (certificate === undefined) throw new Error("there is no certificate");
    return certificate;
  };
  await want(steps);
  await issue();
  return {
    tools,
    folder,
    lines,
    masked,
    want,
    issue,
    read,
    deploy: async (options = {}) =>
      deployCertificate(await read(), { all: false, ...options }, tools),
    states: async () => Object.values((await read()).status.deploy ?? {}),
    at: (file) => join(folder, file),
    async script(file, text) {
      const path = join(folder, file);
      await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return path;
    },
  };
}

/** A shell line, as flags give them. */
export function shell(run: string, more: Partial<HookSetting> = {}): HookSetting {
  return { run, shell: true, ...more };
}
