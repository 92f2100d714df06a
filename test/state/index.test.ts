import { appendFile, chmod, cp, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { faultOf } from "../../src/state/folder/fault.ts";
import { newVersion, requestOf } from "./material.ts";
import { never, openAt, openStore } from "./state.ts";

vi.mock("../../src/state/folder/fault.ts", { spy: true });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.mocked(faultOf).mockClear();
  onTestFinished(() => void vi.useRealTimers());
});

/** A state whose files have not just changed; each `open` is another process. */
async function stateOf(...names: readonly string[]) {
  const { store, root } = await openStore();
  for (const name of names) {
    const lock = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
    await store.certificates.saveRequest(requestOf(name));
    for (const serial of ["01", "02"]) {
      await store.certificates.commit(name, await newVersion(serial), lock);
    }
    await lock.release();
  }
  later();
  const open = () => openAt(root).store.certificates;
  const at = (path: string) => join(root, "certificates", path);
  return { root, index: join(root, "index.json"), open, at };
}

function later(milliseconds = 10_000): void {
  vi.setSystemTime(Date.now() + milliseconds);
}

type State = Awaited<ReturnType<typeof stateOf>>;

/** What anyone can do with the files of a state. */
const changes: Readonly<Record<string, (state: State) => Promise<void>>> = {
  async "a record is edited in place"({ at }) {
    const text = await readFile(at("shop/certificate.json"), "utf8");
    await writeFile(at("shop/certificate.json"), text.replace('"ec256"', '"ec384"'));
  },
  async "an older record is copied over"({ at }) {
    await cp(at("shop/certificate.json"), at("old.json"));
    await appendFile(at("shop/certificate.json"), "\n");
    await cp(at("old.json"), at("shop/certificate.json"), { preserveTimestamps: true });
    await rm(at("old.json"));
  },
  "a record is emptied": ({ at }) => writeFile(at("shop/certificate.json"), ""),
  "a record is removed": ({ at }) => rm(at("shop/certificate.json")),
  "the link is removed": ({ at }) => rm(at("shop/current")),
  async "the link goes to an older version"({ at }) {
    await rm(at("shop/current"));
    await symlink("versions/1", at("shop/current"));
  },
  "the versions are removed": ({ at }) => rm(at("shop/versions"), { recursive: true }),
  "a folder is renamed": ({ at }) => rename(at("shop"), at("moved")),
  "a folder is copied": ({ at }) =>
    cp(at("shop"), at("copy"), { recursive: true, verbatimSymlinks: true }),
  "a folder is removed": ({ at }) => rm(at("shop"), { recursive: true }),
};

/** Those that only a look at each file of a version shows. */
const edits: Readonly<Record<string, (state: State) => Promise<void>>> = {
  "a key is emptied": ({ at }) => writeFile(at("shop/current/privkey.pem"), ""),
  "a certificate is overwritten": ({ at }) =>
    cp(at("shop/versions/1/cert.pem"), at("shop/current/cert.pem")),
  "a chain is removed": ({ at }) => rm(at("shop/current/chain.pem")),
  "the facts are edited": ({ at }) => writeFile(at("shop/current/meta.json"), "{}"),
};

test("a version that was found good is not checked again while its files stay", async () => {
  const { open, index } = await stateOf("shop", "*.example.com");
  const first = await Array.fromAsync(open().list());
  expect(first).toHaveLength(2);
  expect(faultOf).toHaveBeenCalledTimes(2);
  expect((await stat(index)).mode & 0o777).toBe(0o600);

  const written = await stat(index);
  expect(await Array.fromAsync(open().list())).toEqual(first);
  expect(faultOf).toHaveBeenCalledTimes(2);
  expect((await stat(index)).ino).toBe(written.ino);
});

test("certificates for the same names are found by the index, without reading their records", async () => {
  const { open, at, index } = await stateOf("shop", "mail");
  const asked = requestOf("new");
  const [identifiers, others] = [
    asked.identifiers,
    [{ type: "dns", value: "other.test" }] as const,
  ];
  const namesakes = async (name: string, of = identifiers) =>
    (await open().namesakes({ name, identifiers: of })).toSorted();
  for (const name of ["shop", "mail"])
    await open().saveRequest({ ...requestOf(name), identifiers });
  expect(await namesakes("new")).toEqual(["mail", "shop"]);

  const written = await stat(index);
  await writeFile(at("mail/certificate.json"), "");
  expect(await namesakes("shop")).toEqual(["mail"]);
  expect(await namesakes("shop", others)).toEqual([]);
  expect((await stat(index)).ino).toBe(written.ino);

  await open().saveRequest({ ...requestOf("later"), identifiers });
  await rm(at("mail"), { recursive: true });
  expect(await namesakes("new")).toEqual(["later", "shop"]);
  await rm(index);
  expect(await namesakes("new")).toEqual(["later", "shop"]);
  const pass = open();
  expect(await pass.namesakes({ name: "first", identifiers })).toHaveLength(2);
  expect(await pass.namesakes({ name: "second", identifiers })).toHaveLength(3);
});

test("a version that has only just changed is checked again", async () => {
  const { open, at } = await stateOf("shop");
  vi.setSystemTime((await stat(at("shop/current"))).ctimeMs);
  await Array.fromAsync(open().list());
  await Array.fromAsync(open().list());
  expect(faultOf).toHaveBeenCalledTimes(2);
});

describe.each(Object.entries({ ...changes, ...edits }))("when %s", (_, change) => {
  test("the list is the same as without the index", async () => {
    const state = await stateOf("other", "shop");
    const before = await Array.fromAsync(state.open().list());
    await change(state);
    later();
    const listed = await Array.fromAsync(state.open().list());
    await rm(state.index);
    expect(listed).toEqual(await Array.fromAsync(state.open().list()));
    expect(await Array.fromAsync(state.open().list())).toEqual(listed);
    expect(before).toHaveLength(2);
  });
});

async function noted(state: State): Promise<void> {
  const certificates = state.open();
  expect(await certificates.recall()).toBeUndefined();
  await Array.fromAsync(certificates.list());
  await certificates.note({ due: "never" });
  expect(await state.open().recall()).toEqual({ due: "never" });
}

test.each(Object.entries(changes))("what was noted is forgotten when %s", async (_, change) => {
  const state = await stateOf("other", "shop");
  await noted(state);
  await change(state);
  later();
  expect(await state.open().recall()).toBeUndefined();
});

test.each(Object.entries(edits))(
  "what was noted is forgotten within 23 runs when %s",
  async (_, edit) => {
    const state = await stateOf("other", "shop");
    await noted(state);
    await edit(state);
    const recalled: unknown[] = [];
    for (let run = 0; run < 23; run += 1) {
      later(12 * 3_600_000);
      recalled.push(await state.open().recall());
    }
    expect(recalled).toContain(undefined);
  },
);

test("what was noted is forgotten when a run changes a certificate or adds one", async () => {
  const state = await stateOf("shop");
  await noted(state);
  await state.open().updateStatus("shop", (status) => ({ ...status, failures: 1 }));
  later();
  expect(await state.open().recall()).toBeUndefined();
  await noted(state);
  await state.open().saveRequest(requestOf("new"));
  later();
  expect(await state.open().recall()).toBeUndefined();
});

test("a change between recall and note is not overlooked", async () => {
  const state = await stateOf("shop");
  const certificates = state.open();
  await certificates.recall();
  await state.open().updateStatus("shop", (status) => ({ ...status, failures: 1 }));
  await certificates.note({ due: "never" });
  later();
  expect(await state.open().recall()).toBeUndefined();
});

/** What makes an index useless. */
const damages: Readonly<Record<string, (index: string) => Promise<void>>> = {
  "is empty": (index) => writeFile(index, ""),
  "is cut off": async (index) => writeFile(index, (await readFile(index, "utf8")).slice(0, -20)),
  "has other content": (index) => writeFile(index, '{"good":{"shop":1},"note":[]}'),
  "is of another release": async (index) =>
    writeFile(index, (await readFile(index, "utf8")).replace(/"release":"[^"]*"/, '"release":"9"')),
  "may be written by others": (index) => chmod(index, 0o622),
  "is a link": async (index) => {
    await rename(index, `${index}.moved`);
    await symlink(`${index}.moved`, index);
  },
  "cannot be replaced": async (index) => {
    await rm(index);
    await mkdir(join(index, "full"), { recursive: true });
  },
};

test.each(Object.entries(damages))("an index that %s is not used", async (_, damage) => {
  const state = await stateOf("shop");
  await noted(state);
  const listed = await Array.fromAsync(state.open().list());
  const checks = vi.mocked(faultOf).mock.calls.length;
  await damage(state.index);
  expect(await state.open().recall()).toBeUndefined();
  expect(await Array.fromAsync(state.open().list())).toEqual(listed);
  expect(vi.mocked(faultOf).mock.calls.length).toBe(checks + 1);
});

test("processes that list and note at once leave a whole index", async () => {
  const state = await stateOf("other", "shop");
  const runs = Array.from({ length: 8 }, async () => {
    const certificates = state.open();
    await certificates.recall();
    const listed = await Array.fromAsync(certificates.list());
    await certificates.note({ due: "never" });
    return listed.length;
  });
  expect(await Promise.all(runs)).toEqual(Array.from({ length: 8 }, () => 2));
  const { good } = JSON.parse(await readFile(state.index, "utf8"));
  expect(Object.keys(good)).toEqual(["other", "shop"]);
});

test("a list of nothing writes nothing", async () => {
  const { store, root } = await openStore();
  expect(await Array.fromAsync(store.certificates.list())).toEqual([]);
  expect(await store.certificates.recall()).toBeUndefined();
  await expect(stat(root)).rejects.toMatchObject({ code: "ENOENT" });
});
