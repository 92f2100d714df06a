import { chmod, chown, lstat, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compileCacheFolder } from "../src/compile-cache.ts";
import { temporaryFolder } from "./support/state.ts";

const uid = process.getuid?.() ?? -1;
/** Root's folder is another, so root tries this as somebody else. */
const user = uid === 0 ? 12_345 : uid;

async function cacheOf(user: number) {
  const home = await temporaryFolder();
  const folder = join(home.path, "acmectl");
  await mkdir(folder, { mode: 0o700 });
  await chown(folder, user, -1);
  return {
    folder,
    env: { XDG_CACHE_HOME: home.path },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

test("compiled code is kept in the user's own cache folder", async () => {
  await using cache = await cacheOf(user);
  expect(compileCacheFolder({ env: cache.env, uid: user })).toBe(cache.folder);
});

test("a cache folder that others can write is not used", async () => {
  await using cache = await cacheOf(user);
  await chmod(cache.folder, 0o777);
  expect(compileCacheFolder({ env: cache.env, uid: user })).toBeUndefined();
});

test("a cache folder of another user, or behind a link, is not used", async () => {
  await using cache = await cacheOf(user);
  expect(compileCacheFolder({ env: cache.env, uid: user + 1 })).toBeUndefined();
  await using home = await temporaryFolder();
  await symlink(cache.folder, join(home.path, "acmectl"));
  const env = { XDG_CACHE_HOME: home.path };
  expect(compileCacheFolder({ env, uid: user })).toBeUndefined();
});

test("a cache folder that does not exist is created for its user alone", async () => {
  await using home = await temporaryFolder();
  compileCacheFolder({ env: { HOME: home.path }, uid: user });
  expect((await lstat(join(home.path, ".cache", "acmectl"))).mode & 0o777).toBe(0o700);
});

test("without a home folder there is no cache", () => {
  expect(compileCacheFolder({ env: {}, uid: user })).toBeUndefined();
  expect(compileCacheFolder({ env: { HOME: "relative" }, uid: user })).toBeUndefined();
});
