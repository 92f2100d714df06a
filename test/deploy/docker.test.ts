import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { DeployStep, DockerSetting } from "../../src/certificate.ts";
import { makeTls } from "../support/servers/tls.ts";
import { temporaryFolder } from "../support/state.ts";
import { openWorld, type World } from "./world.ts";

/** An engine with the rules of Docker's HTTP API: which calls a container takes in which state, and the messages. */
function engine(states: Readonly<Record<string, "running" | "exited" | "paused">>) {
  const calls: string[] = [];
  const commands: string[][] = [];
  const answer = (response: ServerResponse, status: number, json?: unknown) =>
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(json === undefined ? "" : JSON.stringify(json));
  const frame = (stream: number, text: string) => {
    const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  let looks = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "", "http://engine");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const json = JSON.parse(Buffer.concat(chunks).toString() || "{}") as { Cmd?: string[] };
    calls.push(`${request.method} ${request.url}`);
    const [, kind, name = "", verb] = url.pathname.split("/");
    if (kind === "exec" && verb === "start") {
      response.writeHead(200, { "content-type": "application/vnd.docker.multiplexed-stream" });
      response.write(frame(1, "testing\n"));
      return response.end(frame(2, "no such file\n"));
    }
    if (kind === "exec") {
      looks += 1;
      const failed = commands.at(-1)?.[0] === "false";
      return answer(response, 200, { Running: looks === 1, ExitCode: failed ? 1 : 0 });
    }
    const state = states[name];
    if (state === undefined)
      return answer(response, 404, { message: `No such container: ${name}` });
    if (verb === "restart") return answer(response, 204);
    if (verb === "kill" && !url.searchParams.get("signal")?.startsWith("SIG"))
      return answer(response, 400, { message: "Invalid signal" });
    if (state !== "running")
      return answer(response, 409, { message: `container ${name} is ${state}` });
    if (verb === "kill") return answer(response, 204);
    commands.push(json.Cmd ?? []);
    return answer(response, 201, { Id: "e1" });
  };
  const listener = (request: IncomingMessage, response: ServerResponse) =>
    void handle(request, response);
  return { calls, commands, listener };
}

const states = { web: "running", mail: "exited", idle: "paused" } as const;

async function withSocket(): Promise<{ world: World; host: string } & ReturnType<typeof engine>> {
  const made = engine(states);
  const folder = await temporaryFolder();
  const server = createHttp(made.listener);
  const path = join(folder.path, "engine.sock");
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  onTestFinished(async () => {
    server.close();
    await folder[Symbol.asyncDispose]();
  });
  const env = { PATH: process.env["PATH"], DOCKER_HOST: `unix://${path}` };
  return { ...made, host: `unix://${path}`, world: await openWorld([], { env }) };
}

const step = (setting: Partial<DockerSetting>, timeout?: number): DeployStep => ({
  docker: { containers: ["web"], ...setting },
  timeout,
});

test("a container gets a signal or a restart, and a command runs in it", async () => {
  const { world, calls, commands, host } = await withSocket();
  await world.want([
    step({ signal: "hup" }),
    step({ containers: ["mail"], restart: true, host }),
    step({ exec: "nginx -s 'reload now'" }),
    step({ exec: ["nginx", "-t"] }),
  ]);
  expect(await world.deploy()).toBeUndefined();
  expect(calls.slice(0, 4)).toEqual([
    "POST /containers/web/kill?signal=SIGHUP",
    "POST /containers/mail/restart",
    "POST /containers/web/exec",
    "POST /exec/e1/start",
  ]);
  expect(commands).toEqual([
    ["nginx", "-s", "reload now"],
    ["nginx", "-t"],
  ]);
});

test.each([
  [{ containers: ["none"], restart: true }, "No such container: none (HTTP 404)", "docker ps"],
  [{ containers: ["mail"], signal: "HUP" }, "container mail is exited (HTTP 409)", "Start the"],
  [{ containers: ["idle"], exec: ["true"] }, "container idle is paused (HTTP 409)", "Start the"],
  [
    { exec: ["false"] },
    "`false` in the container web failed with exit code 1. It printed last:\ntesting\nno such file",
    "",
  ],
  [{ exec: "echo 'a" }, "`echo 'a` has an unclosed quote", ""],
  [
    { signal: "HUP", host: "ssh://web@example.com" },
    "the address of the engine is unix:///PATH",
    "step `ssh`",
  ],
  [
    { signal: "HUP", host: "tcp://127.0.0.1:1" },
    "at tcp://127.0.0.1:1: connect ECONNREFUSED",
    "Start the engine",
  ],
  [
    { signal: "HUP", host: "unix:///none.sock" },
    "at unix:///none.sock: no such file",
    "Start the engine",
  ],
  [
    { signal: "HUP", host: "tcp://127.0.0.1:1", certPath: "/none" },
    "Cannot read /none/ca.pem",
    "certPath",
  ],
] as const)("%j fails with what the engine says", async (setting, message, hint) => {
  const { world } = await withSocket();
  await world.want([step(setting)]);
  const problem = await world.deploy();
  expect(problem?.message).toContain(message);
  expect(problem?.hint).toContain(hint);
});

test("each container of a step has its own state, and one that failed is repeated alone", async () => {
  const { world, calls } = await withSocket();
  await world.want([step({ containers: ["web", "mail"], signal: "HUP" })]);
  expect((await world.deploy())?.message).toContain("mail");
  expect((await world.states()).map(({ state }) => state)).toEqual(["done", "failed"]);
  calls.length = 0;
  await world.deploy();
  expect(calls).toEqual(["POST /containers/mail/kill?signal=SIGHUP"]);
});

test("an engine that does not answer fails after the time limit", async () => {
  const { world } = await withSocket();
  const server = createHttp(() => undefined).listen(0, "127.0.0.1");
  onTestFinished(() => server.closeAllConnections());
  await new Promise<void>((resolve) => void server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await world.want([step({ restart: true, host: `tcp://127.0.0.1:${port}` }, 300)]);
  expect((await world.deploy())?.message).toContain("did not finish within 0.3 s");
});

test("an engine behind TLS gets the client certificate of certPath", async () => {
  await using folder = await temporaryFolder();
  const tls = await makeTls(folder.path, "ca.pem");
  await rename(tls.keyFile, join(folder.path, "key.pem"));
  await writeFile(join(folder.path, "cert.pem"), tls.certificatePem);
  const { calls, listener } = engine(states);
  const secure = { cert: tls.certificatePem, key: tls.keyPem, ca: tls.rootPem, requestCert: true };
  // The leaf is made for servers; that it arrives is what counts.
  const server = createHttps({ ...secure, rejectUnauthorized: false }, listener);
  const peers: string[] = [];
  server.on("secureConnection", (socket) =>
    peers.push(String(socket.getPeerCertificate().subject.CN)),
  );
  server.listen(0, "127.0.0.1");
  await new Promise<void>((resolve) => void server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const host = `tcp://127.0.0.1:${port}`;
  const world = await openWorld([step({ signal: "USR1", host, certPath: folder.path })]);
  expect(await world.deploy()).toBeUndefined();
  expect(calls).toEqual(["POST /containers/web/kill?signal=SIGUSR1"]);
  expect(peers).toEqual(["localhost"]);
  await world.want([step({ signal: "USR2", host })]);
  expect((await world.deploy())?.message).toContain(`Cannot reach the container engine at ${host}`);
  server.close();
});
