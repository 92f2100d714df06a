import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { isRecord } from "../../src/json.ts";
import { openSealing } from "../../src/state/sealing.ts";
import type { Store } from "../../src/state/store.ts";
import { storeCases, type OpenState } from "../state/cases.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { change } from "../state/s3/change.ts";
import {
  atOnce,
  commit,
  connectionCases,
  eightWorkers,
  failureOf,
  lease,
  leaseCases,
  machine,
  pendingOf,
  rekeyCases,
  secretCases,
} from "../state/shared/cases.ts";
import { commandCases } from "../state/shared/commands.ts";
import { openAt, stateKey, type Opening } from "../state/shared/state.ts";
import { never } from "../state/state.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { available } from "../support/servers/catalog.ts";
import { freePort } from "../support/servers/process.ts";
import { startS3, type S3 } from "../support/servers/s3.ts";
import { temporaryFolder } from "../support/state.ts";

const head = "certificates/shop.json";
const recordOf = (value: unknown) => (isRecord(value) ? value : {});

describe.skipIf(!available("versitygw"))("the store in S3", () => {
  let server: S3;
  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const open: OpenState = async (clock) => {
    const url = server.url(await server.createBucket());
    const folder = await temporaryFolder("acmectl-files-");
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const tools = { clock, files: folder.path, env: server.keys };
    const first = await openAt(url, tools);
    const stores = await Promise.all(Array.from({ length: 12 }, () => openAt(url, tools)));
    return () => stores.pop() ?? first;
  };
  describe("with conditional writes", () => {
    test.each(storeCases)("$name", ({ run }) => run(open));
  });

  /** A state with one certificate that was asked for. */
  async function newState(tools: Opening = {}) {
    const bucket = await server.createBucket();
    const url = server.url(bucket);
    const again = (more: Opening = {}) => openAt(url, { env: server.keys, ...tools, ...more });
    const store = await again();
    await store.certificates.saveRequest(requestOf("shop"));
    const edit = (key: string, turn: (value: Record<string, unknown>) => unknown) =>
      change(url, key, turn, server.keys);
    const objects = () => server.objects(bucket);
    const editLease = (key: string, turn: (value: Record<string, unknown>) => object) =>
      edit(key, (value) => ({ ...value, lease: turn(recordOf(value["lease"])) }));
    return {
      server,
      bucket,
      url,
      env: server.keys,
      store,
      edit,
      again,
      objects,
      through: (port: number) => openAt(server.url(bucket, port), { env: server.keys }),
      async endLeases() {
        const keys = Object.keys(await objects()).map((key) => /leases\/.*/.exec(key)?.[0] ?? head);
        for (const key of new Set(keys)) await editLease(key, (value) => ({ ...value, endsAt: 1 }));
      },
      endHolder: () =>
        editLease(head, ({ holder, ...value }) => ({
          ...value,
          holder: { ...recordOf(holder), startTime: "1" },
        })),
      dump: async () => JSON.stringify(await objects()),
    };
  }
  describe("leases", () => {
    leaseCases(newState);

    test("eight processes commit one after the other, and each reads what fits", async () => {
      const state = await newState();
      await eightWorkers(state, 1);
      const { url, objects } = state;
      const kept = Object.keys(await objects()).filter((key) => key.includes("versions/"));
      expect(kept).toHaveLength(5);
      const plain = openSealing([], { plain: true });
      const reader = await openAt(url, { env: server.keys, sealing: plain });
      expect(await reader.check({ repair: false })).toEqual([]);
    });
  });

  describe("connections", () => {
    connectionCases(newState, 6);

    test("a change whose answer was lost is not made again after another run's", async () => {
      const { bucket, store: other } = await newState();
      await using proxy = await startCuttingProxy(server.port);
      const store = await openAt(server.url(bucket, proxy.port), { env: server.keys });
      const count = (by: Store) =>
        by.certificates.updateStatus("shop", (status) => {
          if (by === store) cut ??= proxy.cutAt(1, "after");
          return { ...status, failures: status.failures + 1 };
        });
      let cut: (() => boolean) | undefined;
      await Promise.all([count(store), ...Array.from({ length: 5 }, () => count(other))]);
      expect(cut?.()).toBe(true);
      expect((await other.certificates.read("shop"))?.status.failures).toBe(6);
    });
  });

  test("each problem says what is wrong with the server and what to do", async () => {
    const { url } = await newState();
    const failure = (at: string, env: Record<string, string> = server.keys) =>
      failureOf(openAt(at, { env }));
    const found = await Promise.all([
      failure(server.url("nowhere-at-all")),
      failure(url, { ...server.keys, AWS_ACCESS_KEY_ID: "stranger" }),
      failure(url, { ...server.keys, AWS_SECRET_ACCESS_KEY: "wrong-secret" }),
      failure(`${url}&region=eu-central-1`),
      failure(url.replace(`:${server.port}`, `:${await freePort()}`)),
    ]);
    expect(found).toMatchObject([
      machine(/has no bucket nowhere-at-all/, /aws s3 mb/),
      machine(/does not know the access key/, /AWS_ACCESS_KEY_ID/),
      machine(/does not accept the signature/, /secret access key/),
      machine(/is in the region us-east-1, not in eu-central-1/, /region=us-east-1/),
      machine(/127\.0\.0\.1:\d+ is not reached: connection refused/, /endpoint and region/),
    ]);
    expect(String(found[2])).not.toContain("wrong-secret");
  });

  describe("secrets", () => {
    secretCases(newState);
    rekeyCases(newState, 2);

    test("keys can be rotated, and a key that was moved to another version is refused", async () => {
      const { store, again, edit, objects } = await newState();
      const account = { id: "a", directory: "https://acme.example.org/directory", contact: [] };
      const { privateKey: key } = await newVersion("03");
      await store.accounts.create({ ...account, key });
      await store.journal.write({ ...pendingOf("x"), privateKey: key });
      await store.certificates.saveNextKey("shop", "ec256", key);
      await store.solverState("acme-dns").set("example.com", 1);
      const lock = await store.lock(lease, atOnce);
      for (const serial of ["01", "02"]) await commit(store, lock, serial);
      await lock.release();
      const fresh = Buffer.alloc(32, 7).toString("base64");
      const rotated = await again({ sealing: openSealing([fresh, stateKey]) });
      const stranger = await again({ sealing: openSealing([fresh]) });
      await expect(stranger.certificates.readPrivateKey("shop")).rejects.toThrow(
        /encrypted with the state key [0-9a-f]{16}, and it is not among the state keys/,
      );
      expect(await rotated.rekey(never)).toBe(6);
      expect(await rotated.rekey(never)).toBe(0);
      expect(await stranger.certificates.readPrivateKey("shop")).toContain("PRIVATE KEY");
      expect(await stranger.check({ repair: false })).toEqual([]);
      expect(await stranger.solverState("acme-dns").get("example.com")).toBe(1);

      const [first, second] = Object.keys(await objects())
        .filter((name) => name.includes("/versions/"))
        .toSorted()
        .map((name) => name.replace(/^state\//, ""));
      await edit(head, (value) => ({ ...value, versions: { 1: second, 2: first } }));
      await expect(stranger.certificates.readPrivateKey("shop")).rejects.toThrow(
        /cannot be decrypted/,
      );
    });
  });

  test("state check finds a certificate with another's key, and removes what killed runs left", async () => {
    const { store, edit, objects } = await newState({ sealing: openSealing([], { plain: true }) });
    const lock = await store.lock(lease, atOnce);
    await commit(store, lock);
    await lock.release();
    const { privateKey } = await newVersion("02");
    const [version = ""] = Object.keys(await objects()).filter((key) => key.includes("/versions/"));
    await edit(version.replace(/^state\//, ""), (value) => ({ ...value, privateKey }));
    await store.certificates.saveNextKey("gone", "ec256", privateKey);
    for (const key of ["versions/shop/000002-x.json", "unfinished/shop/1.json"])
      await edit(key, () => ({ name: "shop" }));
    const unreadable = { where: "mail", fault: expect.stringMatching(/cannot be read/) };
    await edit("certificates/mail.json", () => ({ name: 1 }));
    expect(await store.check({ repair: true })).toMatchObject([
      unreadable,
      { where: "shop", fault: "version 1: privkey.pem is not the key of cert.pem" },
      { where: "next-keys/gone/ec256.json", done: "removed" },
      { where: "versions/shop/000002-x.json", done: "removed" },
      { where: "unfinished/shop/1.json", done: "removed" },
    ]);
    expect(await store.check({ repair: false })).toHaveLength(2);
  });

  test("what is due is found by the index alone, also after a change behind it was repaired", async () => {
    const { store, again, edit, objects } = await newState();
    const lock = await store.lock(lease, atOnce);
    await commit(store, lock);
    await lock.release();
    const until = (time: number) => ({ due: new Date(time), look: new Date(0) });
    const due = async (before: number) =>
      (await Array.fromAsync((await again()).certificates.due(until(before)))).map(
        ({ name }) => name,
      );
    // It has expired, so it is due since it was committed.
    const at = Date.now();
    expect(await store.certificates.nextDue(new Date())).toBeUndefined();
    expect(await due(at - 120_000)).toEqual([]);
    expect(await due(at + 300_000)).toEqual(["shop"]);
    expect(await store.certificates.count()).toBe(1);
    expect(await store.certificates.namesakes(requestOf("other"))).toEqual(
      await store.certificates.namesakes({ ...requestOf("shop"), name: "other" }),
    );
    const entries = async () =>
      Object.keys(await objects()).filter((key) => /\/(due|look|sets)\//.test(key)).length;
    const before = await entries();
    for (let left = 3; left > 0; left--)
      await store.certificates.updateStatus("shop", (one) => one);
    expect(await entries()).toBe(before);
    await edit(head, (value) => ({ ...value, index: undefined }));
    expect(await store.check({ repair: true })).toMatchObject([{ where: head, done: "indexed" }]);
    expect(await due(at + 300_000)).toEqual(["shop"]);
    await store.certificates.remove("shop");
    expect(await due(at + 300_000)).toEqual([]);
  });

  describe("commands", () => {
    commandCases(async () => {
      const bucket = await server.createBucket();
      const url = server.url(bucket);
      const setIssuedAt = (name: string, issuedAt: string) =>
        change(
          url,
          `certificates/${name}.json`,
          ({ held, ...value }) => {
            const { meta, ...version } = recordOf(held);
            return { ...value, held: { ...version, meta: { ...Object(meta), issuedAt } } };
          },
          server.keys,
        );
      const dump = async () => JSON.stringify(await server.objects(bucket));
      return { url, env: server.keys, setIssuedAt, dump };
    }, /This policy is enough[^]*"s3:PutObject"/);
  });
});
