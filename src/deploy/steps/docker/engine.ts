/** Where a container engine listens, and one request to it. */
import { access, readFile } from "node:fs/promises";
import type { IncomingMessage, RequestOptions } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import type { DockerSetting } from "../../../certificate.ts";
import { codeOf, systemReason } from "../../../errors.ts";
import { Problem } from "../../../problem.ts";
import type { DeployTools } from "../../tools.ts";

export interface Engine {
  /** For messages. */
  readonly where: string;
  readonly tls: boolean;
  readonly options: RequestOptions;
}

const sockets = ["/var/run/docker.sock", "/run/podman/podman.sock"] as const;

/** As Docker's own client finds it: the setting, DOCKER_HOST, the usual socket. Rejects with a `deploy` Problem. */
export async function engineOf(
  { host, certPath }: DockerSetting,
  env: DeployTools["env"],
): Promise<Engine> {
  const where = host ?? (env["DOCKER_HOST"] || (await usualSocket()));
  const url = URL.parse(where);
  if (url?.protocol === "unix:") {
    const socketPath = where.slice("unix://".length);
    return { where, tls: false, options: { socketPath, host: "localhost" } };
  }
  if (url?.protocol !== "tcp:" || url.hostname === "") throw notAnAddress(where);
  const tls = certPath !== undefined || Boolean(env["DOCKER_TLS_VERIFY"]);
  const folder = certPath ?? env["DOCKER_CERT_PATH"];
  return { where, tls, options: await tcpOptions(url, tls, folder) };
}

async function tcpOptions(
  { hostname, port }: URL,
  tls: boolean,
  folder = join(homedir(), ".docker"),
): Promise<RequestOptions> {
  const host = hostname.replaceAll(/[[\]]/gu, "");
  if (!tls) return { host, port: port === "" ? 2375 : port };
  return { host, port: port === "" ? 2376 : port, ...(await credentialsIn(folder)) };
}

function notAnAddress(where: string): Problem {
  return new Problem("deploy", {
    detail: `Cannot use ${where}: the address of the engine is unix:///PATH or tcp://HOST:PORT.`,
    hint: where.startsWith("ssh:")
      ? "Run the command on that host with a step `ssh`."
      : "Correct `host` of the step, or DOCKER_HOST.",
    retryable: false,
  });
}

async function usualSocket(): Promise<string> {
  for (const path of sockets) if (await exists(path)) return `unix://${path}`;
  return `unix://${sockets[0]}`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function credentialsIn(folder: string) {
  const [ca, cert, key] = await Promise.all(
    ["ca.pem", "cert.pem", "key.pem"].map((name) =>
      readFile(join(folder, name)).catch((cause: unknown) => {
        const detail = `Cannot read ${join(folder, name)}: ${systemReason(cause)}.`;
        const hint = "Give the folder of ca.pem, cert.pem and key.pem as `certPath`.";
        throw new Problem("deploy", { detail, hint, cause });
      }),
    ),
  );
  return { ca, cert, key };
}

export interface Call {
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly clock: DeployTools["clock"];
}
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** Rejects with a `deploy` Problem, or with the reason of the signal. */
export async function ask(
  method: string,
  path: string,
  json: unknown,
  call: Call,
): Promise<Answer> {
  const { engine, signal } = call;
  const { request } = await (engine.tls ? import("node:https") : import("node:http"));
  const body = json === undefined ? "" : JSON.stringify(json);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({ ...engine.options, method, path, headers, signal, agent: false });
  sent.once("error", reject);
  sent.once("response", (response) => void read(response).then(resolve, reject));
  sent.end(body);
  return promise.catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw unreachable(engine, error);
  });
}

const largest = 1_048_576;

/** A longer answer is cut. */
async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += Buffer.from(chunk).length;
    if (size <= largest) chunks.push(Buffer.from(chunk));
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

function unreachable({ where }: Engine, error: unknown): Problem {
  const hints: Readonly<Record<string, string>> = {
    ENOENT: "Start the engine, or give its address as `host`.",
    ECONNREFUSED: "Start the engine, or give its address as `host`.",
    EACCES: "Run acmectl as root, or as a member of the group that owns the socket.",
  };
  return new Problem("deploy", {
    detail: `Cannot reach the container engine at ${where}: ${systemReason(error)}.`,
    hint: hints[codeOf(error)],
    cause: error,
  });
}
