/** A store in a map, as an example of a second backend: it passes the same cases as the folder. */
import { inTurn } from "../../src/state/folder/locks/locks.ts";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { linkForeign } from "../../src/state/folder/foreign.ts";
import type { Clock } from "../../src/clock.ts";
import { Problem } from "../../src/problem.ts";
import { hostsIn, type HostRecord } from "../../src/state/hosts.ts";
import type { Ledger } from "../../src/state/ledger.ts";
import { isSelected } from "../../src/state/selection.ts";
import type {
  Answer,
  AnswerKey,
  NewVersion,
  PendingHooks,
  RefusedCertificate,
  PendingOrder,
  Store,
  StoredCertificate,
} from "../../src/state/store.ts";
import { claimUnlocked, unindexed } from "../../src/state/unindexed.ts";
import { openAccounts, type Get } from "./memory-accounts.ts";

/** What several runs share: JSON texts by key. */
export type Memory = Map<string, string>;

type Certificate = Partial<Pick<StoredCertificate, "request">> &
  Pick<StoredCertificate, "status"> & {
    versions: readonly NewVersion[];
    hosts?: Readonly<Record<string, unknown>> | undefined;
  };

/** `folder` is where servers find the files. */
export function openMemoryStore(memory: Memory, folder: string, clock: Clock): Store {
  const get: Get = (key) => {
    const text = memory.get(key);
    return text === undefined ? undefined : JSON.parse(text);
  };
  const put = (key: string, value: unknown) => void memory.set(key, JSON.stringify(value));
  const below = (prefix: string) =>
    [...memory.keys()].flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []));
  const certificateOf = (name: string) =>
    (get(`certificate/${name}`) as Certificate | undefined) ?? {
      status: { failures: 0 },
      versions: [],
    };
  const ledgerOf = (directory: string) =>
    (get(`ledger/${directory}`) ?? { entries: [], pauses: [] }) as Ledger;
  const names = () =>
    below("certificate/").filter((name) => certificateOf(name).request !== undefined);
  const read = (name: string): StoredCertificate | undefined => {
    const { request, status, versions, hosts } = certificateOf(name);
    const meta = versions.at(-1)?.meta;
    if (request === undefined) return undefined;
    const held = meta === undefined ? undefined : { version: versions.length, meta };
    return { name, request, status, held, hosts: hostsIn(hosts) };
  };
  const changeHost = (name: string, host: string, record?: HostRecord) => {
    const before = certificateOf(name);
    if (before.request === undefined) return;
    put(`certificate/${name}`, { ...before, hosts: { ...before.hosts, [host]: record } });
  };
  const filesOf: Store["certificates"]["files"] = async (name) => {
    const version = certificateOf(name).versions.at(-1);
    if (version === undefined) return undefined;
    const { privateKey, certificate, chain } = version;
    await mkdir(folder, { recursive: true });
    const write = async (file: string, text: string) => {
      const path = join(folder, `${encodeURIComponent(name)}.${file}.pem`);
      await writeFile(path, text, { mode: 0o600 });
      return path;
    };
    return {
      privateKey: privateKey === undefined ? undefined : await write("privkey", privateKey),
      certificate: await write("cert", certificate),
      chain: await write("chain", chain),
      fullchain: await write("fullchain", `${certificate.trimEnd()}\n${chain}`),
    };
  };

  const list: Store["certificates"]["list"] = async function* ({ select = [{}] } = {}) {
    const all = names().flatMap((name) => read(name) ?? []);
    yield* all.filter((one) => select.some((selection) => isSelected(selection, one)));
  };
  const isLocked = async (name: string) => memory.has(`lock/${name}`);

  return {
    where: "memory",
    exists: () => Promise.resolve(true),
    init: () => Promise.resolve({ done: [], grants: [] }),
    checkWritable: () => Promise.resolve(),
    check: async () => [],
    accounts: openAccounts({ get, put, below, now: () => clock.now().toISOString() }),
    certificates: {
      names: async () => names(),
      read: async (name) => read(name),
      list,
      ...unindexed({ list, names: async () => names() }),
      recall: () => Promise.resolve(undefined),
      note: () => Promise.resolve(),
      files: filesOf,
      async foreignFiles(name) {
        const files = await filesOf(name);
        const meta = certificateOf(name).versions.at(-1)?.meta;
        if (files === undefined || meta === undefined) return undefined;
        return linkForeign(folder, encodeURIComponent(name), meta, files);
      },
      async saveRequest(request) {
        put(`certificate/${request.name}`, { ...certificateOf(request.name), request });
      },
      async updateStatus(name, change) {
        const before = certificateOf(name);
        const status = change(before.status);
        put(`certificate/${name}`, { ...before, status });
        return status;
      },
      async commit(name, version, lock) {
        await lock.assertHeld();
        const before = certificateOf(name);
        const versions = [...before.versions, version];
        put(`certificate/${name}`, { ...before, versions });
        return { version: versions.length, meta: version.meta };
      },
      async saveAlternate(name, version, place, pem) {
        put(`alternate/${name}/${version}/${place}`, pem);
      },
      async keepRefused(name, refused) {
        const where = `refused/${name}/${below(`refused/${name}/`).length + 1}`;
        put(where, refused);
        return where;
      },
      readPrivateKey: async (name, second) => {
        const version = certificateOf(name).versions.at(-1);
        return second === undefined ? version?.privateKey : version?.second?.privateKey;
      },
      readNextKey: async (name, type) => get(`next/${name}/${type}`) as string | undefined,
      async saveNextKey(name, type, key) {
        if (key === undefined) memory.delete(`next/${name}/${type}`);
        else put(`next/${name}/${type}`, key);
      },
      readCertificate: async (name, second) => {
        const version = certificateOf(name).versions.at(-1);
        return second === undefined ? version : version?.second;
      },
      versions: async (name) =>
        certificateOf(name).versions.map((version, index) => {
          const prefix = `alternate/${name}/${index + 1}/`;
          const added = below(prefix).map((place) => [place, get(prefix + place)] as const);
          return {
            ...version,
            alternates: version.alternates ?? [],
            number: index + 1,
            added: Object.fromEntries(added) as Record<number, string>,
          };
        }),
      refused: async (name) =>
        below(`refused/${name}/`).map(
          (number) => get(`refused/${name}/${number}`) as RefusedCertificate,
        ),
      async remove(name) {
        for (const key of [...memory.keys()])
          if (key === `certificate/${name}` || key.startsWith(`next/${name}/`)) memory.delete(key);
      },
    },
    journal: {
      names: async () => below("pending/"),
      read: async (name) => get(`pending/${name}`) as PendingOrder | undefined,
      write: async (pending) => put(`pending/${pending.name}`, pending),
      remove: async (name) => void memory.delete(`pending/${name}`),
    },
    ledger: {
      read: async (directory) => ledgerOf(directory),
      update: (directory, change) =>
        inTurn(`ledger in a memory: ${directory}`, async () => {
          put(`ledger/${directory}`, await change(ledgerOf(directory)));
          return ledgerOf(directory);
        }),
    },
    hosts: {
      record: async (name, record) => changeHost(name, record.host, record),
      async forget(host, name) {
        for (const one of name === undefined ? names() : [name]) changeHost(one, host);
      },
    },
    pendingHooks: {
      list: async () => (get("hooks") ?? {}) as PendingHooks,
      async add(run, hook) {
        const hooks = (get("hooks") ?? {}) as PendingHooks;
        put("hooks", { ...hooks, [run]: [...(hooks[run] ?? []), hook] });
      },
      async remove(run) {
        const { [run]: _, ...others } = (get("hooks") ?? {}) as PendingHooks;
        put("hooks", others);
      },
    },
    answers: {
      async put(answer, lifetime) {
        put(`answer/${keyOf(answer)}`, { answer, end: clock.now().getTime() + lifetime });
      },
      list: async () =>
        below("answer/").flatMap((key) => {
          const { answer, end } = get(`answer/${key}`) as { answer: Answer; end: number };
          return end > clock.now().getTime() ? [answer] : [];
        }),
      remove: async (answer) => void memory.delete(`answer/${keyOf(answer)}`),
    },
    solverValues: async () =>
      below("solver/").map((path) => {
        const at = path.indexOf("/");
        return { solver: path.slice(0, at), key: path.slice(at + 1), value: get(`solver/${path}`) };
      }),
    solverState: (solver) => ({
      get: async (key) => get(`solver/${solver}/${key}`),
      async set(key, value) {
        if (value === undefined) memory.delete(`solver/${solver}/${key}`);
        else put(`solver/${solver}/${key}`, value);
      },
    }),
    isLocked,
    claim: claimUnlocked(isLocked),
    rekey: async () => 0,
    async lock(name, { wait, signal, onWait }) {
      const key = `lock/${name}`;
      const token = randomUUID();
      const deadline = clock.monotonic() + wait;
      for (let waits = false; memory.has(key); waits = true) {
        if (clock.monotonic() >= deadline) throw locked(name, wait);
        if (!waits) onWait?.("another run");
        await clock.sleep(100, signal);
      }
      put(key, token);
      return {
        name,
        async assertHeld() {
          if (get(key) !== token) throw locked(name, 0);
        },
        async release() {
          if (get(key) === token) memory.delete(key);
        },
      };
    },
  };
}

function keyOf({ type, host, token }: AnswerKey): string {
  return `${type}/${host}/${token}`;
}

function locked(name: string, wait: number): Problem {
  const detail = `Another run holds the lock ${name}. Waited ${Math.round(wait / 1000)} s.`;
  return new Problem("locked", { detail });
}
