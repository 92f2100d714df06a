/** A host that receives certificates from S3, with all rights and with those to read alone. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openSealing } from "../../src/state/sealing.ts";
import { available } from "../support/servers/catalog.ts";
import { startS3, type S3 } from "../support/servers/s3.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { openAt } from "../state/shared/state.ts";
import { never } from "../state/state.ts";

/** Passes on what reads, and answers what writes as S3 does for a role without the right to. */
async function startReadOnly(port: number) {
  const refused: string[] = [];
  const server = createServer((asked, answer) => {
    const { method = "", url: path, headers } = asked;
    if (method !== "GET" && method !== "HEAD") {
      refused.push(method);
      asked.resume();
      const text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
      answer.writeHead(403, { "Content-Type": "application/xml" }).end(text);
      return;
    }
    const passed = request({ host: "127.0.0.1", port, method, path, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    passed.on("error", () => answer.destroy()).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, refused };
}

describe.skipIf(!available("versitygw"))("acmectl pull from S3", () => {
  let server: S3;
  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("a host gets its files and deploys them; one that may only read is warned, and gets them too", async () => {
    const key = randomBytes(32).toString("base64");
    const bucket = await server.createBucket();
    const sealing = openSealing([key]);
    const store = await openAt(server.url(bucket), { env: server.keys, sealing });
    await store.init();
    const commit = async (serial: string) => {
      await store.certificates.saveRequest({ ...requestOf("shop"), labels: { role: "web" } });
      const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
      const version = await newVersion(serial);
      await store.certificates.commit("shop", version, lock);
      await lock.release();
      return `${version.privateKey.trim()}\n`;
    };
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const log = join(folder.path, "deployed.log");
    const host = async (name: string, port?: number) => {
      const config = join(folder.path, `${name}.yaml`);
      const files = join(folder.path, name);
      const steps = `[{ run: "echo ${name} >> ${log}", shell: true }]`;
      await writeFile(
        config,
        `host: ${name}\npull: { web: { labels: { role: web }, deploy: ${steps} } }\n`,
      );
      const env = { HOME: folder.path, ACMECTL_STATE_FILES: files, ACMECTL_STATE_KEY: key };
      const typed = ["--state", server.url(bucket, port), "--config", config];
      const excused = { "exit code 0 means that the goal is met": "the state is in a bucket" };
      return {
        privateKey: () => readFile(join(files, "certificates/shop/current/privkey.pem"), "utf8"),
        run: (...words: string[]) =>
          acmectl([...words, ...typed], { env: { ...env, ...server.keys }, excused }).ended,
      };
    };
    const first = await commit("01");
    const readOnly = await startReadOnly(server.port);
    const [web1, web2] = [await host("web1"), await host("web2", readOnly.port)];

    const pulled = await web1.run("pull");
    expect(pulled, pulled.stderr).toMatchObject({
      code: 0,
      stderr: /^shop: run echo web1[^\n]*\n$/,
    });
    expect(await web1.privateKey()).toBe(first);
    expect((await web1.run("pull")).stdout).toBe("1 certificate is up to date.\n");

    const read = await web2.run("pull");
    expect(read, read.stderr).toMatchObject({ code: 0 });
    expect(read.stderr).toMatch(
      /what this host serves cannot be recorded.* s3:PutObject on .*hosts\/web2.json/,
    );
    expect(await web2.privateKey()).toBe(first);
    expect(readOnly.refused.length).toBeGreaterThan(0);
    expect(await web2.run("pull")).toMatchObject({ code: 0, stderr: "", stdout: /up to date/ });
    expect(await readFile(log, "utf8")).toBe("web1\nweb2\n");

    const second = await commit("02");
    expect(await web2.run("pull")).toMatchObject({ code: 0, stdout: /Version 2/ });
    expect(await web2.privateKey()).toBe(second);
    expect((await store.certificates.read("shop"))?.hosts).toMatchObject([
      { host: "web1", version: 1 },
    ]);
    expect((await web1.run("list")).stdout).toMatch(/shop .*behind on web1/);
  });
});
