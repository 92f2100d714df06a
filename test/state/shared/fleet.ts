/**
 * Four workers on three hosts renew what is due, while workers are killed and the server of the state restarts. Half of the
 * names are proved by TXT records, half by answers in the state.
 */
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { Resolver } from "node:dns/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import type { SolverSetting } from "../../../src/certificate.ts";
import { openSealing } from "../../../src/state/sealing.ts";
import type { Store } from "../../../src/state/store.ts";
import { startTestCa, type TestCa } from "../../../src/test-ca/test-ca.ts";
import { challtestSolver } from "../../support/challtest-solver.ts";
import { startChallengeDns, type ChallengeDns } from "../../support/servers/challtestsrv.ts";
import { freePort } from "../../support/servers/process.ts";
import { acmectl, type Spawned } from "../../support/spawn.ts";
import { temporaryFolder } from "../../support/state.ts";
import { newVersion, requestOf } from "../material.ts";
import { never } from "../state.ts";
import { openAt } from "./state.ts";

export interface FleetPlace {
  readonly server: { stop(): Promise<void>; start(): Promise<void> };
  /** As `--state`. */
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface FleetSize {
  readonly certificates: number;
  /** Milliseconds between two kills; absent: at some of the finalizations, so that time does not matter. */
  readonly killEvery?: number;
  /** Each worker has a name and processes of its own, as in a container, so that a dead one is not seen. */
  readonly isolated: boolean;
}

const hosts = ["web1", "web2", "web3"] as const;
const slots = ["web1", "web1", "web2", "web3"] as const;

/** Resolves to what happened. Rejects unless each certificate was renewed once, and nothing is left behind. */
export async function fleetCase(place: FleetPlace, size: FleetSize) {
  await using fleet = await openFleet(place, size);
  const { store, names, ca, run } = fleet;
  await fill(fleet, size.certificates);
  const responding = run("web1", false, "respond", "--http", `127.0.0.1:${fleet.httpPort}`);
  const began = performance.now();
  const worked = await renewAll(fleet, place, size);
  const seconds = Math.round((performance.now() - began) / 1000);
  responding.child.kill("SIGTERM");
  await responding.ended;

  const paths = ca.requests.filter(({ kind, status }) => kind === "finalize" && status === 200);
  const orders = new Set(paths.map(({ path }) => path.replace(/\/finalize$/, "")));
  const held = await Promise.all(names.map(async (name) => heldIn(store, name)));
  expect(new Set(held.map(({ meta }) => new URL(meta.orderUrl).pathname))).toEqual(orders);
  expect(orders.size).toBe(names.length);
  expect(held.map(({ version }) => version)).toEqual(names.map(() => 2));
  expect(await store.check({ repair: false })).toEqual([]);
  expect(await store.journal.names()).toEqual([]);
  expect(await store.answers.list()).toEqual([]);
  expect(await recordsOf(names, fleet.dns)).toEqual([]);
  await Promise.all(hosts.map((host) => pullAll(host, fleet)));
  const placed = ca.requests.filter(({ kind, status }) => kind === "newOrder" && status === 201);
  return { ...worked, seconds, finalized: orders.size, placed: placed.length };
}

interface Fleet extends AsyncDisposable {
  readonly store: Store;
  readonly ca: TestCa;
  readonly dns: ChallengeDns;
  readonly httpPort: number;
  readonly names: readonly string[];
  readonly folder: string;
  /** The file of the CA's root, and of a solver of its DNS. */
  readonly files: { readonly bundle: string; readonly solver: string };
  readonly run: (host: string, isolated: boolean, ...words: string[]) => Spawned;
}

async function openFleet(place: FleetPlace, { certificates }: FleetSize): Promise<Fleet> {
  const folder = await temporaryFolder("fleet-");
  const [dns, httpPort] = [await startChallengeDns(), await freePort()];
  const ca = await startTestCa({ httpPort, resolver: dns.dnsServer, asynchronous: true });
  const bundle = join(folder.path, "ca.pem");
  await writeFile(bundle, ca.rootPem);
  const stateKey = randomBytes(32).toString("base64");
  const sealing = openSealing([stateKey]);
  const store = await openAt(place.url, { env: place.env, sealing });
  await store.init();
  const goal = { "exit code 0 means that the goal is met": "the state is not in a folder" };
  return {
    store,
    ca,
    dns,
    httpPort,
    names: Array.from({ length: certificates }, (_, index) => `n${index}.example.test`),
    folder: folder.path,
    files: { bundle, solver: await challtestSolver(folder.path, dns) },
    run(host, isolated, ...words) {
      const home = join(folder.path, host);
      const env = {
        ...place.env,
        PATH: process.env["PATH"] ?? "",
        HOME: home,
        ACMECTL_HOST: host,
        ACMECTL_STATE: place.url,
        ACMECTL_STATE_FILES: join(home, "files"),
        ACMECTL_STATE_KEY: stateKey,
      };
      const through = isolated ? { through: [...namespaces, host] } : {};
      const spawned = acmectl(words, { env, excused: goal, ...through });
      onTestFinished(() => void spawned.child.kill("SIGKILL"));
      return spawned;
    },
    async [Symbol.asyncDispose]() {
      await ca.close();
      await dns.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const namespaces = [
  ...["unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"],
  ...["sh", "-c", 'hostname "$0" && exec "$@"'],
];

/** An account, and certificates that have expired. */
async function fill({ store, ca, names, files, run }: Fleet, count: number): Promise<void> {
  const { bundle, solver } = files;
  const register = ["account", "register", "--server", ca.directoryUrl, "--ca-bundle", bundle];
  const registered = await run("web1", false, ...register, "--agree-tos").ended;
  expect(registered, registered.stderr).toMatchObject({ code: 0 });
  const issuer = { server: ca.directoryUrl, agreeTos: true, caBundle: bundle };
  const solvers: readonly SolverSetting[] = [
    { name: "txt", use: solver, options: {}, dns: { cname: "none", wait: 1 } },
    { name: "fleet", use: "respond", options: {} },
  ];
  const one = async (name: string, index: number) => {
    const identifiers = [{ type: "dns", value: name }] as const;
    const chosen = solvers.slice(index % 2, (index % 2) + 1);
    const request = { ...requestOf(name), identifiers, issuer, solvers: chosen, selfCheck: false };
    await store.certificates.saveRequest(request);
    const lock = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
    await store.certificates.commit(name, await newVersion("01", undefined, identifiers), lock);
    await lock.release();
  };
  for (let from = 0; from < count; from += 16)
    await Promise.all(names.slice(from, from + 16).map((name, at) => one(name, from + at)));
}

async function heldIn(store: Store, name: string) {
  const held = (await store.certificates.read(name))?.held;
  if (held === undefined) throw new Error(`${name} is missing`);
  return held;
}

/** Runs `renew` in each slot until all is renewed. */
async function renewAll(fleet: Fleet, place: FleetPlace, size: FleetSize) {
  const running = new Map<number, Spawned>();
  let runs = 0;
  const slot = async (host: string, at: number) => {
    for (;;) {
      const worker = fleet.run(host, size.isolated, "renew", "--no-jitter");
      running.set(at, worker);
      runs++;
      const { code, signal, stderr } = await worker.ended;
      running.delete(at);
      if (signal !== null) continue;
      // A run that begins while the server is down ends: the next one finds it up. After another failure it backs off for minutes.
      if (code !== 0 && !stderr.includes("is not reached"))
        throw new Error(`${host}: exit code ${code}\n${stderr}`);
      if (await isRenewed(fleet)) return;
      await sleep(500);
    }
  };
  const trouble = makeTrouble(running, fleet, place, size);
  await Promise.all(slots.map(slot));
  return { runs, ...(await trouble()) };
}

async function isRenewed({ store, names }: Fleet): Promise<boolean> {
  const all = await Promise.all(names.map(async (name) => heldIn(store, name)));
  return all.every(({ version }) => version === 2);
}

/** Until its answer is called, kills one worker after the other, and restarts the server after a third and two thirds of the certificates. */
function makeTrouble(
  running: ReadonlyMap<number, Spawned>,
  { ca, names }: Fleet,
  { server }: FleetPlace,
  { killEvery }: FleetSize,
) {
  let [kills, restarts] = [0, 0];
  const kill = () => {
    const next = slots.map((_, at) => running.get((at + kills) % slots.length));
    if (next.find((one) => one !== undefined)?.child.kill("SIGKILL") === true) kills++;
  };
  const restart = async () => {
    await server.stop();
    await server.start();
    restarts++;
  };
  let restarting = Promise.resolve();
  const atShare = (share: number, phase: "before" | "after", call: () => void) =>
    ca.faults.add({ on: "finalize", nth: Math.ceil(names.length * share), phase, do: { call } });
  for (const share of [1 / 3, 2 / 3])
    atShare(share, "before", () => void (restarting = restarting.then(restart)));
  const timer = killEvery === undefined ? undefined : setInterval(kill, killEvery);
  if (timer === undefined) {
    atShare(0.1, "before", kill);
    atShare(0.5, "after", kill);
    atShare(0.8, "before", kill);
  }
  onTestFinished(() => clearInterval(timer));
  return async () => {
    clearInterval(timer);
    await restarting;
    return { kills, restarts };
  };
}

/** The TXT records that are left. */
async function recordsOf(names: readonly string[], dns: ChallengeDns): Promise<unknown[]> {
  const resolver = new Resolver();
  resolver.setServers([dns.dnsServer]);
  const texts = names.map((name) => resolver.resolveTxt(`_acme-challenge.${name}`).catch(() => []));
  return (await Promise.all(texts)).flat();
}

/** What the host has is what is in use, and each key belongs to its certificate. */
async function pullAll(host: string, { run, folder, names, store }: Fleet): Promise<void> {
  const config = join(folder, `${host}.yaml`);
  await mkdir(join(folder, host), { recursive: true });
  await writeFile(config, `host: ${host}\npull: { all: { names: ["*"] } }\n`);
  const pulled = await run(host, false, "pull", "--config", config).ended;
  expect(pulled, pulled.stderr).toMatchObject({ code: 0 });
  for (const name of names) {
    const current = join(folder, host, "files/certificates", name, "current");
    const pem = await readFile(join(current, "cert.pem"), "utf8");
    const key = createPrivateKey(await readFile(join(current, "privkey.pem"), "utf8"));
    expect(pem.trim()).toBe((await store.certificates.readCertificate(name))?.certificate.trim());
    expect(new X509Certificate(pem).checkPrivateKey(key), name).toBe(true);
  }
}
