import { expect, test, vi } from "vitest";
import { accessOf } from "../../src/deploy/steps/write-file.ts";

const failure = vi.hoisted(() => ({ code: 2 as number | string }));
vi.mock(import("node:child_process"), async (original) => ({
  ...(await original()),
  execFile: ((_file: string, _words: unknown, _options: unknown, ended: (e: Error) => void) =>
    ended(Object.assign(new Error("getent failed"), failure))) as never,
}));

test.each([
  [2, 'The user "no-such-user" does not exist on this machine.'],
  ["ENOENT", 'The user "no-such-user" does not exist on this machine.'],
  [1, 'Cannot look up the user "no-such-user": getent failed.'],
  ["EACCES", 'Cannot look up the user "no-such-user": permission denied.'],
])("an owner that getent does not find (%s) is reported with the reason", async (code, message) => {
  failure.code = code;
  await expect(accessOf({ owner: "no-such-user" })).rejects.toMatchObject({ message });
  await expect(accessOf({ owner: "root" })).resolves.toMatchObject({ uid: 0 });
});
