import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../support/servers/process.ts";
import { openAt } from "../shared/state.ts";

test("a run that is stopped does not wait for a database that does not answer", async () => {
  const port = await freePort();
  const silent = createServer((socket) => onTestFinished(() => void socket.destroy()));
  await new Promise<void>((resolve) => silent.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => void silent.close());
  const stopping = new AbortController();
  const { signal } = stopping;
  const store = await openAt(`postgres://u:p@127.0.0.1:${port}/d?sslmode=disable`, { signal });
  const waiting = store.certificates.names();
  silent.once("connection", () => stopping.abort(new Error("Ctrl-C")));
  await expect(waiting).rejects.toThrow("Ctrl-C");
}, 10_000);
