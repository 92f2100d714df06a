/**
 * Loaded by `node --import` before acmectl: sees each change to the files below a folder. `?root=…` names the folder.
 * `&trace=…` is a file that gets one JSON line for each change, once it is made; `&kill=K` ends this process right before
 * the K-th change, counted from 0, as SIGKILL does. `&fail=K&code=EIO` refuses the K-th change with that error, and with
 * `&times=…` so many from there on; with `&done=1` the change is made nevertheless, as a network file system may do.
 */
import fs, { type FileHandle } from "node:fs/promises";
import { appendFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { resolve } from "node:path";
import { getSystemErrorMessage } from "node:util";
import type { Operation } from "./operations.ts";

const settings = new URL(import.meta.url).searchParams;
const root = resolve(settings.get("root") ?? "/");
const trace = settings.get("trace");
const killAt = Number(settings.get("kill") ?? Infinity);
const failAt = Number(settings.get("fail") ?? Infinity);
const failures = Number(settings.get("times") ?? 1);
const isDone = settings.has("done");
const code = settings.get("code") ?? "EIO";
const paths = new WeakMap<FileHandle, string>();
let changes = 0;

await watchHandles();
watch(fs, "mkdir", ([path]) => ({ do: "mkdir", path: text(path) }));
watch(fs, "rename", ([from, to]) => ({ do: "rename", path: text(to), from: text(from) }));
watch(fs, "symlink", ([target, path]) => ({
  do: "symlink",
  path: text(path),
  target: text(target),
}));
watch(fs, "rm", ([path]) => ({ do: "remove", path: text(path) }));
watch(fs, "unlink", ([path]) => ({ do: "remove", path: text(path) }));
watch(fs, "rmdir", ([path]) => ({ do: "remove", path: text(path) }));
watch(fs, "chmod", ([path]) => ({ do: "chmod", path: text(path) }));
syncBuiltinESMExports();

/** Writing and syncing are calls of an open file. */
async function watchHandles(): Promise<void> {
  const { open } = fs;
  const isMade = (flags: unknown) => typeof flags === "number" && (flags & 0o100) !== 0;
  const opened = async (...given: Parameters<typeof open>) => {
    const handle = await Reflect.apply(open, fs, given);
    paths.set(handle, resolve(text(given[0])));
    return handle;
  };
  const made = changing(opened, ([path]) => ({ do: "create", path: text(path) }));
  Reflect.set(fs, "open", (...given: Parameters<typeof open>) =>
    isMade(given[1]) ? made(...given) : opened(...given),
  );
  const handle = await open("/dev/null");
  const prototype: object = Object.getPrototypeOf(handle);
  await handle.close();
  watch(prototype, "sync", (_, self) => ({ do: "sync", path: pathOf(self) }));
  watch(prototype, "writeFile", ([content], self) => {
    const bytes = Buffer.from(content as string | Uint8Array);
    return { do: "write", path: pathOf(self), content: bytes.toString("base64") };
  });
}

function pathOf(handle: unknown): string {
  return paths.get(handle as FileHandle) ?? "";
}

function text(path: unknown): string {
  return String(path);
}

type Describe = (given: readonly unknown[], self: unknown) => Operation;

function watch(owner: object, name: string, describe: Describe): void {
  const real = Reflect.get(owner, name) as (...given: unknown[]) => Promise<unknown>;
  Reflect.set(owner, name, changing(real, describe));
}

function changing<Given extends unknown[], Answer>(
  real: (...given: Given) => Promise<Answer>,
  describe: Describe,
) {
  return async function (this: unknown, ...given: Given): Promise<Answer> {
    const operation = describe(given, this);
    const path = resolve(operation.path);
    if (path !== root && !path.startsWith(`${root}/`)) return Reflect.apply(real, this, given);
    const at = changes++;
    if (at === killAt) process.kill(process.pid, "SIGKILL");
    const isRefused = at >= failAt && at < failAt + failures && refuses(code, operation.do);
    if (isRefused && !isDone) throw refusal(operation);
    const answer = await Reflect.apply(real, this, given);
    if (trace !== null) appendFileSync(trace, `${JSON.stringify({ ...operation, path })}\n`);
    if (!isRefused) return answer;
    // What the program cannot know of is not left open, or Node.js would warn of it.
    if (isHandle(answer)) await answer.close();
    throw refusal(operation);
  };
}

function isHandle(answer: unknown): answer is FileHandle {
  return paths.has(answer as FileHandle);
}

/** Room is not needed to remove a file, and a file system that is read-only has nothing to sync. */
function refuses(code: string, what: Operation["do"]): boolean {
  if (code === "ENOSPC" || code === "EDQUOT") return what !== "remove" && what !== "chmod";
  return code !== "EROFS" || (what !== "sync" && what !== "write");
}

/** As Node.js throws it. */
function refusal({ do: what, path }: Operation): Error {
  const errno = constants.errno[code as keyof typeof constants.errno];
  const text = getSystemErrorMessage(-errno);
  return Object.assign(new Error(`${code}: ${text}, ${what} '${path}'`), { code, errno, path });
}
