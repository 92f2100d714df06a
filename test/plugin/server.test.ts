import { mkdtempSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openServer } from "../../src/plugin/server.ts";

test("a unix socket that is replaced by a link gives no other file its mode", async () => {
  const folder = mkdtempSync(join(tmpdir(), "acmectl-socket-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [socket, secret] = [join(folder, "acme.sock"), join(folder, "shadow")];
  writeFileSync(secret, "", { mode: 0o600 });
  const server = createServer();
  // The owner of the folder does so at the worst moment.
  server.once("listening", () => {
    expect(statSync(socket).mode & 0o777).toBe(0o666);
    unlinkSync(socket);
    symlinkSync(secret, socket);
  });
  const before = process.umask();
  const opened = await openServer({ socket, mode: "0666" }, server);
  expect(process.umask()).toBe(before);
  expect(statSync(secret).mode & 0o777).toBe(0o600);
  await opened.close();
});
