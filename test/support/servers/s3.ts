/** An S3 server with conditional writes on a loopback port; a bucket is a folder. */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startProcess, type RunningProcess } from "./process.ts";

export interface S3 extends AsyncDisposable {
  readonly port: number;
  readonly keys: { readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string };
  /** As `--state`; at another port when a proxy is in between. */
  url(bucket: string, port?: number): string;
  /** A new, empty bucket; answers its name. */
  createBucket(): Promise<string>;
  /** All that is in a bucket, by key. */
  objects(bucket: string): Promise<Readonly<Record<string, string>>>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startS3(): Promise<S3> {
  const folder = await mkdtemp(join(tmpdir(), "s3-"));
  const data = join(folder, "data");
  await mkdir(data);
  const port = await freePort();
  const keys = { AWS_ACCESS_KEY_ID: "tester", AWS_SECRET_ACCESS_KEY: randomUUID() };
  const start = () =>
    startProcess({
      program: "versitygw",
      args: [
        ...["--access", keys.AWS_ACCESS_KEY_ID, "--secret", keys.AWS_SECRET_ACCESS_KEY],
        ...["--port", `127.0.0.1:${port}`, "--quiet", "--keep-alive"],
        // In attributes of the files it keeps etags. In a folder beside them, a reader may get the etag of another text.
        ...["posix", data],
      ],
      cwd: folder,
      // It would wait for connections that are kept alive: longer than a validation waits for a host that reads the state.
      stop: "SIGKILL",
      ready: async () => (await fetch(`http://127.0.0.1:${port}/`)).status === 403,
    });
  let running: RunningProcess | undefined = await start();
  const stop = async () => {
    await running?.close();
    running = undefined;
  };
  return {
    port,
    keys,
    url: (bucket, at = port) => `s3://${bucket}/state?endpoint=http://127.0.0.1:${at}`,
    async createBucket() {
      const name = `state-${randomUUID()}`;
      await mkdir(join(data, name));
      return name;
    },
    async objects(bucket) {
      const entries = await readdir(join(data, bucket), { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      const texts = files.map(async ({ parentPath, name }) => {
        const path = join(parentPath, name);
        return [path.slice(join(data, bucket).length + 1), await readFile(path, "utf8")] as const;
      });
      return Object.fromEntries(await Promise.all(texts));
    },
    stop,
    async start() {
      running ??= await start();
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
