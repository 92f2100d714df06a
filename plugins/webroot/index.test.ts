import { runHint } from "../../test/support/shell.ts";
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type OptionsOf, Problem, type Target } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import webroot from "./index.ts";
import type { Receipt } from "./response.ts";

type Options = OptionsOf<typeof webroot.options>;

const isRoot = process.geteuid?.() === 0;
const signal = new AbortController().signal;
const defaults = {
  directory: undefined,
  directories: undefined,
  fileMode: "0644",
  directoryMode: "0755",
  owner: undefined,
};
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "acmectl-webroot-"));
  await chmod(root, 0o755);
  return () => rm(root, { recursive: true, force: true });
});

function solver(given: Partial<Options>, log = recordingLog()) {
  return webroot.create({ ...defaults, ...given }, solverContext({ log }));
}

function target(value: string): Target {
  return { identifier: { type: "dns", value }, wildcard: false };
}

async function problemOf(promise: Promise<unknown> | undefined): Promise<Problem> {
  const error = await promise?.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!Problem.is(error)) throw new Error(`no Problem but ${String(error)}`);
  return error;
}

describe("conformance of the webroot solver", () => {
  let folder: string;
  const server = createServer((request, response) => {
    readFile(join(folder, request.url ?? "")).then(
      (body) => response.end(body),
      () => response.writeHead(404).end(),
    );
  });
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "acmectl-webroot-"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
    server.close();
  });
  const foreign = () => join(folder, ".well-known/acme-challenge/somebody-elses");
  const cases = solverConformance({
    plugin: webroot,
    get options() {
      return { ...defaults, directory: folder };
    },
    visible: async (challenge) => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      const response = await fetch(`http://127.0.0.1:${port}${challenge.path}`);
      return response.ok ? [await response.text()] : [];
    },
    foreign: {
      plant: async () => {
        await mkdir(join(folder, ".well-known/acme-challenge"), { recursive: true });
        await writeFile(foreign(), "theirs", { mode: 0o600 });
      },
      look: async () => {
        const { mode, mtimeMs } = await lstat(foreign()).catch(() => ({ mode: 0, mtimeMs: 0 }));
        return { mode, mtimeMs };
      },
      remove: async () => rm(join(folder, ".well-known"), { recursive: true }),
    },
    broken: [
      {
        when: "the folder is missing",
        options: { ...defaults, directory: "/nowhere/at/all" },
        says: /The webroot \/nowhere\/at\/all does not exist/,
      },
      { when: "no folder is given", options: defaults, says: /--webroot-directory/ },
      {
        when: "a file mode is not octal",
        options: { ...defaults, directory: "/", fileMode: "rw-r--r--" },
        says: /fileMode is "rw-r--r--"/,
      },
      {
        when: "a folder of a single name is not absolute",
        options: { ...defaults, directories: { "one.example.test": "public" } },
        says: /"public" for one\.example\.test is not an absolute path/,
      },
      {
        when: "the owner is not numeric",
        options: { ...defaults, directory: "/", owner: "www-data" },
        says: /33:33/,
      },
    ],
  });
  for (const { name, run } of cases) it(name, run);
});

describe("a webroot response", () => {
  it("has the configured modes, whatever the umask is", async () => {
    const before = process.umask(0o077);
    try {
      const challenge = challengeFor("http-01", "example.com");
      await (await solver({ directory: root })).present(challenge, { signal });
      const folder = join(root, ".well-known/acme-challenge");
      expect((await lstat(join(root, ".well-known"))).mode & 0o777).toBe(0o755);
      expect((await lstat(folder)).mode & 0o777).toBe(0o755);
      expect((await lstat(join(folder, challenge.token))).mode & 0o777).toBe(0o644);
      expect(await readdir(folder)).toEqual([challenge.token]);
      expect(await readFile(join(folder, challenge.token), "utf8")).toBe(challenge.body);
    } finally {
      process.umask(before);
    }
  });

  it.runIf(isRoot)(
    "belongs to the owner of the served folder, or to the configured owner",
    async () => {
      await chown(root, 1234, 2345);
      const challenge = challengeFor("http-01", "example.com");
      const file = join(root, challenge.path);
      const copying = await solver({ directory: root });
      const receipt = await copying.present(challenge, { signal });
      for (const path of [file, join(root, ".well-known"), join(file, "..")]) {
        expect(await lstat(path)).toMatchObject({ uid: 1234, gid: 2345 });
      }
      await copying.cleanup(challenge, receipt, { signal });
      const options = { directory: root, owner: "33:44", fileMode: "0640", directoryMode: "0750" };
      await (await solver(options)).present(challenge, { signal });
      expect(await lstat(file)).toMatchObject({ uid: 33, gid: 44 });
      expect((await lstat(file)).mode & 0o777).toBe(0o640);
      expect((await lstat(join(root, ".well-known"))).mode & 0o777).toBe(0o750);
    },
  );

  it("is written to the folder of the name: exact, then zone, then all", async () => {
    const folders = ["exact", "deep", "zone", "all"] as const;
    for (const folder of folders) await mkdir(join(root, folder));
    const given = await solver({
      directories: {
        "www.example.com": join(root, "exact"),
        "*.sub.example.com": join(root, "deep"),
        "*.example.com": join(root, "zone"),
        "*": join(root, "all"),
      },
    });
    const expected = {
      "www.example.com": "exact",
      "a.b.sub.example.com": "deep",
      "sub.example.com": "zone",
      "example.com": "all",
      "2001:db8::1": "all",
    };
    for (const [name, folder] of Object.entries(expected)) {
      const challenge = challengeFor("http-01", name);
      await given.present(challenge, { signal });
      expect(await readFile(join(root, folder, challenge.path), "utf8")).toBe(challenge.body);
    }
  });

  it("is refused for a name that has no folder", async () => {
    const given = await solver({ directories: { "example.com": root } });
    const problem = await problemOf(given.preflight?.([target("example.org")], { signal }));
    expect(problem.is("config")).toBe(true);
    expect(problem.message).toBe("The webroot solver has no folder for example.org.");
  });
});

describe("webroot cleanup", () => {
  it("removes the folders that the run created, and no others", async () => {
    await mkdir(join(root, ".well-known"));
    const given = await solver({ directory: root });
    const [one, two] = [challengeFor("http-01", "a.example"), challengeFor("http-01", "b.example")];
    const first = await given.present(one, { signal });
    const second = await given.present(two, { signal });
    await given.cleanup(one, first, { signal });
    expect(await readdir(join(root, ".well-known/acme-challenge"))).toEqual([two.token]);
    await given.cleanup(two, second, { signal });
    expect(await readdir(root)).toEqual([".well-known"]);
    expect(await readdir(join(root, ".well-known"))).toEqual([]);
  });

  it("removes what the receipts of a crashed run name, in any order", async () => {
    const crashed = await solver({ directory: root });
    const [one, two] = [challengeFor("http-01", "a.example"), challengeFor("http-01", "b.example")];
    const first: Receipt = JSON.parse(JSON.stringify(await crashed.present(one, { signal })));
    const second: Receipt = JSON.parse(JSON.stringify(await crashed.present(two, { signal })));
    const next = await solver({ directory: root });
    await next.cleanup(one, first, { signal });
    await next.cleanup(two, second, { signal });
    expect(await readdir(root)).toEqual([]);
  });

  it("keeps a file with other content, or that has become a link", async () => {
    const log = recordingLog();
    const given = await solver({ directory: root }, log);
    const challenge = challengeFor("http-01", "example.com");
    const receipt = await given.present(challenge, { signal });
    const file = join(root, challenge.path);
    await writeFile(file, "somebody else's");
    await given.cleanup(challenge, receipt, { signal });
    expect(await readFile(file, "utf8")).toBe("somebody else's");
    await rm(file);
    await writeFile(join(root, "precious"), challenge.body);
    await symlink("../../precious", file);
    await given.cleanup(challenge, receipt, { signal });
    expect(await readlink(file)).toBe("../../precious");
    expect(await readFile(join(root, "precious"), "utf8")).toBe(challenge.body);
    expect(log.entries.map(({ level }) => level)).toEqual(["warn", "warn"]);
  });

  it("removes nothing outside the folder, whatever the receipt says", async () => {
    const given = await solver({ directory: root });
    await mkdir(join(root, "keep"));
    const challenge = challengeFor("http-01", "example.com");
    await given.cleanup(challenge, { made: [join(root, "keep"), root] }, { signal });
    expect(await readdir(root)).toEqual(["keep"]);
  });
});

describe("a hostile token", () => {
  it.each(["../../../etc/cron.d/x", "..", "a/b", "a\\b", "", "a b", "x".repeat(201), "a\u0000"])(
    "%j is not used as a file name by present or cleanup",
    async (token) => {
      const given = await solver({ directory: root });
      const challenge = { ...challengeFor("http-01", "example.com"), token };
      expect((await problemOf(given.present(challenge, { signal }))).message).toContain(
        "base64url",
      );
      await problemOf(given.cleanup(challenge, undefined, { signal }));
      expect(await readdir(root)).toEqual([]);
    },
  );
});

describe.runIf(isRoot)("as root, a symbolic link below the served folder", () => {
  let elsewhere: string;
  beforeEach(async () => {
    elsewhere = await mkdtemp(join(tmpdir(), "acmectl-elsewhere-"));
    return () => rm(elsewhere, { recursive: true, force: true });
  });
  const owned = (uid: number) => async (link: string) => {
    await symlink(elsewhere, link);
    await lchown(link, uid, uid);
  };

  it.each([".well-known", ".well-known/acme-challenge"])(
    "that a user made of %s is not followed by present or cleanup",
    async (name) => {
      await mkdir(join(root, ".well-known"), { recursive: true });
      if (name === ".well-known") await rm(join(root, name), { recursive: true });
      await owned(1234)(join(root, name));
      const given = await solver({ directory: root });
      const challenge = challengeFor("http-01", "example.com");
      const problem = await problemOf(given.present(challenge, { signal }));
      expect(problem.is("machine")).toBe(true);
      expect(problem.message).toContain(`${root}/${name} is a symbolic link`);
      await problemOf(given.cleanup(challenge, undefined, { signal }));
      expect(await readdir(elsewhere)).toEqual([]);
    },
  );

  it("is followed if root owns it, but not if others can replace it", async () => {
    await owned(0)(join(root, ".well-known"));
    const given = await solver({ directory: root });
    const challenge = challengeFor("http-01", "example.com");
    const receipt = await given.present(challenge, { signal });
    expect(await readdir(join(elsewhere, "acme-challenge"))).toEqual([challenge.token]);
    await given.cleanup(challenge, receipt, { signal });
    expect(await readdir(elsewhere)).toEqual([]);
    await chmod(root, 0o777);
    expect((await problemOf(given.present(challenge, { signal }))).message).toContain(
      "can replace",
    );
  });

  it("in place of the response file is replaced, not followed", async () => {
    await writeFile(join(elsewhere, "passwd"), "untouched");
    await mkdir(join(root, ".well-known/acme-challenge"), { recursive: true });
    const challenge = challengeFor("http-01", "example.com");
    await symlink(join(elsewhere, "passwd"), join(root, challenge.path));
    const given = await solver({ directory: root });
    await given.present(challenge, { signal });
    expect(await readFile(join(elsewhere, "passwd"), "utf8")).toBe("untouched");
    expect((await lstat(join(root, challenge.path))).isFile()).toBe(true);
  });
});

describe("webroot preflight", () => {
  it("leaves no trace in a writable folder", async () => {
    await mkdir(join(root, ".well-known"));
    const given = await solver({ directory: root });
    await given.preflight?.([target("a.example"), target("b.example")], { signal });
    expect(await readdir(root)).toEqual([".well-known"]);
    expect(await readdir(join(root, ".well-known"))).toEqual([]);
  });

  it("reports a file in place of a folder", async () => {
    await writeFile(join(root, "file"), "");
    for (const directory of [join(root, "file"), root]) {
      await rm(join(root, ".well-known"), { recursive: true, force: true });
      await writeFile(join(root, ".well-known"), "");
      const given = await solver({ directory });
      const problem = await problemOf(given.preflight?.([target("a.example")], { signal }));
      expect(problem.exitCode).toBe(3);
      expect(problem.message).toContain("is not a folder");
    }
  });

  it.runIf(isRoot)("reports missing permissions with the commands that fix them", async () => {
    const given = await solver({ directory: root });
    process.seteuid?.(65534);
    try {
      const problem = await problemOf(given.preflight?.([target("a.example")], { signal }));
      expect(problem.exitCode).toBe(3);
      expect(problem.message).toBe(
        `This user (uid 65534) may not write to ${root}/.well-known/acme-challenge.`,
      );
      process.seteuid?.(0);
      runHint(problem.hint);
      process.seteuid?.(65534);
      await given.preflight?.([target("a.example")], { signal });
    } finally {
      process.seteuid?.(0);
    }
  });
});

it("webroot works while eight runs create and remove the same folders", async () => {
  const runs = await Promise.all(
    Array.from({ length: 8 }, async () => solver({ directory: root })),
  );
  await Promise.all(
    runs.map(async (run, index) => {
      for (let round = 0; round < 10; round++) {
        const challenge = challengeFor("http-01", `n${index}.example.com`);
        const receipt = await run.present(challenge, { signal });
        expect(await readFile(join(root, challenge.path), "utf8")).toBe(challenge.body);
        await run.cleanup(challenge, receipt, { signal });
      }
    }),
  );
});
