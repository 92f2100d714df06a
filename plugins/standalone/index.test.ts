import { spawn } from "node:child_process";
import { lstat, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type OptionsOf, Problem, type Solver } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { survived } from "../../test/support/counted.ts";
import { crowd, quickestOf } from "../../test/support/crowd.ts";
import { freePort } from "../../test/support/servers/process.ts";
import { brokenPlaces } from "../../test/support/places.ts";
import standalone from "./index.ts";
import { startIssuing } from "../../test/support/issuing.ts";
import { hostOf, requestedHost } from "acmectl/plugin/http";

type Options = OptionsOf<typeof standalone.options>;

const signal = new AbortController().signal;
const defaults: Options = {
  address: ["127.0.0.1"],
  port: 0,
  socket: undefined,
  socketMode: "0660",
  wait: 0,
  proxyHeader: "none",
};
const opened: Solver<"http-01">[] = [];
afterEach(async () => {
  for (const solver of opened.splice(0)) await solver.close?.();
});

async function open(given: Partial<Options> = {}) {
  const log = recordingLog();
  const solver = await standalone.create({ ...defaults, ...given }, solverContext({ log }));
  opened.push(solver);
  /** The places that it says it listens on, the latest last. */
  const places = () => log.entries.flatMap(({ fields }) => fields["on"] ?? []).map(String);
  const port = () => Number(/\d+$/.exec(places().at(-1) ?? "")?.[0]);
  return { ...solver, log, places, port };
}

interface Asked {
  port?: number;
  host?: string;
  socketPath?: string;
  path: string;
  method?: string;
  headers?: Record<string, string>;
}

function ask({ host = "127.0.0.1", ...asked }: Asked) {
  return new Promise<{ status?: number; body: string; headers: object }>((resolve, reject) => {
    const request = httpRequest({ host, agent: false, ...asked }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      const { statusCode = 0, headers } = response;
      response.on("end", () => resolve({ status: statusCode, body, headers }));
    });
    request.on("error", reject).end();
  });
}

async function problemOf(promise: Promise<unknown> | undefined): Promise<Problem> {
  const error = await promise?.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!Problem.is(error)) throw new Error(`no Problem but ${String(error)}`);
  return error;
}

describe("conformance", async () => {
  const port = await freePort();
  const cases = solverConformance({
    plugin: standalone,
    options: { ...defaults, port },
    instances: 1,
    visible: async ({ path, identifier }) => {
      const answer = await ask({ port, path, headers: { host: identifier.value } }).catch(
        () => undefined,
      );
      return answer?.status === 200 ? [answer.body] : [];
    },
    broken: brokenPlaces(defaults, 8080),
  });
  for (const { name, run } of cases) it(name, run);
});

describe("the standalone server's answer", () => {
  it("is exactly the key authorization, and the connection ends", async () => {
    const solver = await open();
    const challenge = challengeFor("http-01", "example.com");
    await solver.present(challenge, { signal });
    const headers = { host: "example.com", connection: "keep-alive" };
    for (const method of ["GET", "GET", "HEAD"]) {
      const answer = await ask({ port: solver.port(), path: challenge.path, method, headers });
      expect(answer).toMatchObject({
        status: 200,
        body: method === "HEAD" ? "" : challenge.body,
        headers: {
          "content-type": "text/plain",
          "content-length": String(challenge.body.length),
          connection: "close",
        },
      });
    }
  });

  it("goes only to the exact name and path, in any spelling of case and port", async () => {
    const solver = await open();
    const challenges = ["example.com", "other.example", "192.0.2.7", "2001:db8::7"].map((name) =>
      challengeFor("http-01", name),
    );
    for (const challenge of challenges) await solver.present(challenge, { signal });
    const [first, , v4, v6] = challenges.map(({ path }) => path);
    const status = async (host: string, path = first ?? "", method = "GET") =>
      (await ask({ port: solver.port(), path, method, headers: { host } })).status;
    for (const host of ["example.com", "EXAMPLE.com:80", "example.com:8080", "example.com."]) {
      expect(await status(host), host).toBe(200);
    }
    expect(solver.log.entries.at(-1)).toMatchObject({
      level: "debug",
      message: "answered a validation request for example.com",
    });
    expect(await status("192.0.2.7", v4)).toBe(200);
    expect(await status("[2001:db8::7]:80", v6)).toBe(200);
    expect(await status("[2001:DB8:0:0::7]", v6)).toBe(200);
    for (const host of ["other.example", "evil.example", "127.0.0.1", "a b", "x@example.com"]) {
      expect(await status(host), host).toBe(404);
    }
    const near = ["/", `${first}/`, `${first}?`, `/${first}`, `${first}%00`, "/x/..", "*", v4];
    for (const path of near) expect(await status("example.com", path), path).toBe(404);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"]) {
      expect(await status("example.com", first, method), method).toBe(404);
    }
  });

  it("reveals nothing to a request without a challenge", async () => {
    const solver = await open();
    await solver.present(challengeFor("http-01", "example.com"), { signal });
    const answer = await ask({ port: solver.port(), path: "/", headers: { host: "example.com" } });
    expect(answer.body).toBe("");
    expect(Object.keys(answer.headers).toSorted()).toEqual([
      "cache-control",
      "connection",
      "content-length",
      "content-type",
      "date",
    ]);
  });

  it("uses the host name in the proxy's header if proxyHeader is set", async () => {
    const challenge = challengeFor("http-01", "example.com");
    const ways = [
      ["X-Forwarded-Host", "x-forwarded-host", "example.com, proxy.internal"],
      ["Forwarded", "forwarded", 'for=192.0.2.1;host="example.com:80";proto=http, for=10.0.0.1'],
    ] as const;
    for (const [proxyHeader, header, value] of ways) {
      const solver = await open({ proxyHeader });
      await solver.present(challenge, { signal });
      const asked = { port: solver.port(), path: challenge.path };
      const inside = { host: "10.0.0.2:8080" };
      expect(await ask({ ...asked, headers: { ...inside, [header]: value } })).toMatchObject({
        status: 200,
      });
      expect((await ask({ ...asked, headers: { host: "example.com" } })).status).toBe(404);
    }
  });

  it("is repeated until the challenge is cleaned up", async () => {
    const solver = await open();
    const [one, two] = [challengeFor("http-01", "a.example"), challengeFor("http-01", "b.example")];
    await solver.present(one, { signal });
    await solver.present(two, { signal });
    const port = solver.port();
    await solver.cleanup(one, null, { signal });
    const asked = { port, path: two.path, headers: { host: "b.example" } };
    for (let time = 0; time < 5; time++) expect((await ask(asked)).status).toBe(200);
    await solver.cleanup(two, null, { signal });
    await expect(ask(asked)).rejects.toThrow("ECONNREFUSED");
    expect(solver.places()).toHaveLength(1);
  });
});

describe("hostile clients of the standalone server", () => {
  it("cannot block the CA by holding 300 connections open", async () => {
    const solver = await open();
    const challenge = challengeFor("http-01", "example.com");
    await solver.present(challenge, { signal });
    const port = solver.port();
    const held: Socket[] = [];
    for (let count = 0; count < 300; count++) {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      socket.write("GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: exa");
      held.push(socket);
    }
    await new Promise((resolve) => held.at(-1)?.once("connect", resolve));
    const answer = await ask({ port, path: challenge.path, headers: { host: "example.com" } });
    expect(answer.body).toBe(challenge.body);
    for (const socket of held) socket.destroy();
  });

  it("get an error for broken, hostless and oversized requests", async () => {
    const solver = await open();
    const challenge = challengeFor("http-01", "example.com");
    await solver.present(challenge, { signal });
    const say = (text: string) =>
      new Promise<string>((resolve) => {
        let heard = "";
        const socket = connect(solver.port(), "127.0.0.1", () => socket.write(text));
        socket.setEncoding("latin1").on("data", (chunk: string) => (heard += chunk));
        socket.on("error", () => {}).on("close", () => resolve(heard));
      });
    const get = `GET ${challenge.path} HTTP/1.1\r\n`;
    expect(await say(`${get}\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await say(`${get}Host: example.com\r\nX: ${"x".repeat(20_000)}\r\n\r\n`)).toMatch(
      / 431 /,
    );
    expect(await say("\u0016\u0003\u0001\u0002\u0000 hello over TLS")).toMatch(/ 400 /);
    expect(await say("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")).toBe("");
    const upgrade = `${get}Host: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`;
    expect(await say(upgrade)).toContain(challenge.body);
    const posting = `${get.replace("GET", "POST")}Host: example.com\r\nContent-Length: 1000000\r\n\r\nx`;
    expect(await say(posting)).toMatch(/ 404 /);
    const logged = JSON.stringify(solver.log.entries);
    expect(logged).not.toContain("\\u0016");
  });

  it("cannot block the CA by 600 connections that stall, flood and say the wrong things", async () => {
    const solver = await open();
    const challenge = challengeFor("http-01", "example.com");
    await solver.present(challenge, { signal });
    const hostile = await crowd(solver.port(), 600);
    const asked = { port: solver.port(), path: challenge.path, headers: { host: "example.com" } };
    const answered = async () => expect((await ask(asked)).body).toBe(challenge.body);
    expect(await quickestOf(answered)).toBeLessThan(1000);
    survived("hostile connections to a listener", 600);
    // No more than 512 are open at a time.
    await expect.poll(hostile.closed).toBeGreaterThanOrEqual(600 - 512);
    await solver.close?.();
    hostile.leave();
  });

  it("cannot delay close with an open connection", async () => {
    const solver = await open();
    await solver.preflight?.([], { signal });
    const socket = connect(solver.port(), "127.0.0.1").on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write("GET / HTTP/1.1\r\n");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await solver.close?.();
    await closed;
  });
});

describe("the standalone solver listens on", () => {
  it("all IPv6 and IPv4 addresses by default", async () => {
    const solver = await open({ address: undefined });
    const challenge = challengeFor("http-01", "example.com");
    await solver.present(challenge, { signal });
    const asked = { port: solver.port(), path: challenge.path, headers: { host: "example.com" } };
    expect((await ask(asked)).status).toBe(200);
    const [first = ""] = solver.places();
    if (first.startsWith("[::]")) {
      expect((await ask({ ...asked, host: "::1" })).status).toBe(200);
    }
  });

  it("several addresses, also :: and 0.0.0.0 on one port", async () => {
    const port = await freePort();
    const solver = await open({ address: ["0.0.0.0", "127.0.0.1"].slice(0, 1), port });
    await solver.preflight?.([], { signal });
    expect(solver.places()).toEqual([`0.0.0.0:${port}`]);
    await solver.close?.();
    const both = await open({ address: ["::", "0.0.0.0"], port });
    const outcome = await both.preflight?.([], { signal }).then(
      () => both.places(),
      (problem: Problem) => problem.message,
    );
    // A machine without IPv6 says so, and opens nothing.
    if (typeof outcome === "string") expect(outcome).toContain(`[::]:${port}`);
    else expect(outcome).toEqual([`[::]:${port}`, `0.0.0.0:${port}`]);
  });

  it("a unix socket with the configured mode, replacing one that a killed run left", async () => {
    const folder = await mkdtemp(join(tmpdir(), "acmectl-socket-"));
    const socket = join(folder, "acme.sock");
    const script = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`;
    const killed = spawn(process.execPath, ["-e", script]);
    await new Promise((resolve) => killed.once("exit", resolve));
    expect((await stat(socket)).isSocket()).toBe(true);
    const solver = await open({ socket, socketMode: "0666" });
    const challenge = challengeFor("http-01", "example.com");
    await solver.present(challenge, { signal });
    expect((await lstat(socket)).mode & 0o777).toBe(0o666);
    const asked = { socketPath: socket, path: challenge.path, headers: { host: "example.com" } };
    expect((await ask(asked)).body).toBe(challenge.body);
    await solver.cleanup(challenge, null, { signal });
    await expect(stat(socket)).rejects.toThrow("ENOENT");
    await writeFile(socket, "a file of the user's");
    await problemOf((await open({ socket })).preflight?.([], { signal }));
    expect((await stat(socket)).isFile()).toBe(true);
    await rm(folder, { recursive: true });
  });
});

describe("a port that cannot be opened", () => {
  it("fails preflight with the name of the process that holds it", async () => {
    const script =
      'require("net").createServer().listen(0, "127.0.0.1", function () { console.log(this.address().port) })';
    const holder = spawn(process.execPath, ["-e", script]);
    const port = await new Promise<number>((resolve) =>
      holder.stdout.once("data", (chunk) => resolve(Number(String(chunk)))),
    );
    try {
      const solver = await open({ port });
      const problem = await problemOf(solver.preflight?.([], { signal }));
      expect(problem.exitCode).toBe(3);
      expect(problem.message).toMatch(
        process.platform === "linux"
          ? new RegExp(`^127\\.0\\.0\\.1:${port} is in use by .+ \\(pid ${holder.pid}\\)\\.$`)
          : /is in use by another process/,
      );
      expect(problem.hint).toContain("--webroot");
      holder.kill();
      await new Promise((resolve) => holder.once("exit", resolve));
      await solver.preflight?.([], { signal });
      expect(solver.places()).toEqual([`127.0.0.1:${port}`]);
    } finally {
      holder.kill();
    }
  });

  it.runIf(process.platform === "linux").each([
    [
      "acmectl.js",
      /is in use by another acmectl run \(pid \d+\)\. Waited \d s\.$/,
      /when that run has ended/,
    ],
    ["shop.mjs", /is in use by shop\.mjs \(pid \d+\)\.$/, /--webroot DIR/],
  ])("names the script if Node.js holds it: %s", async (name, message, hint) => {
    const folder = await mkdtemp(join(tmpdir(), "acmectl-holder-"));
    const script =
      'import { createServer } from "node:net"; const server = createServer().listen(0, "127.0.0.1", () => console.log(server.address().port));';
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await writeFile(join(folder, name), script);
    const holder = spawn(process.execPath, ["--conditions=source", join(folder, name), "issue"]);
    const port = await new Promise<number>((resolve) =>
      holder.stdout.once("data", (chunk) => resolve(Number(String(chunk)))),
    );
    try {
      const solver = await open({ port });
      const problem = await problemOf(solver.preflight?.([], { signal }));
      expect(problem.message).toMatch(message);
      expect(problem.hint).toMatch(hint);
    } finally {
      holder.kill();
      await rm(folder, { recursive: true });
    }
  });

  it.runIf(process.geteuid?.() === 0 && process.platform === "linux")(
    "for lack of permission gets a hint with four remedies",
    async () => {
      const solver = await open({ port: 79, address: ["127.0.0.79"] });
      process.seteuid?.(65534);
      try {
        const outcome = await solver.preflight?.([], { signal }).catch((error: unknown) => error);
        // Where net.ipv4.ip_unprivileged_port_start is low, as in many containers, there is no such refusal.
        if (outcome === undefined) return;
        if (!Problem.is(outcome)) throw outcome;
        expect(outcome.message).toMatch(
          /^Cannot listen on 127\.0\.0\.79:79: this user may not use ports below/,
        );
        for (const way of ["as root", "setcap", "sysctl", "--standalone-port 8080"]) {
          expect(outcome.hint).toContain(way);
        }
      } finally {
        process.seteuid?.(0);
      }
    },
  );

  it("leaves none of the other addresses open", async () => {
    const port = await freePort();
    const solver = await open({ address: ["127.0.0.1", "192.0.2.1"], port });
    await problemOf(solver.preflight?.([], { signal }));
    await expect(ask({ port, path: "/" })).rejects.toThrow("ECONNREFUSED");
  });
});

describe("several standalone solvers of one process", () => {
  const address = ["127.0.0.1"];
  const asking = (port: number, name: string) => ({
    ...challengeFor("http-01", name),
    ask: (path: string) => ask({ port, path, headers: { host: name } }),
  });

  it.each([
    ["the same address", address, address],
    ["an address and all addresses", address, undefined],
    ["all addresses and an address", undefined, address],
    ["one family and an address", ["0.0.0.0"], address],
    ["an address and one family", address, ["0.0.0.0"]],
  ])("share a listener on %s", async (_, first, second) => {
    const port = await freePort();
    const solvers = [await open({ port, address: first }), await open({ port, address: second })];
    for (const solver of solvers) await solver.preflight?.([], { signal });
    const asked = [asking(port, "a.example"), asking(port, "b.example")];
    for (const [index, challenge] of asked.entries())
      await solvers[index]?.present(challenge, { signal });
    for (const challenge of asked)
      expect((await challenge.ask(challenge.path)).body).toBe(challenge.body);
    const [one, two] = asked;
    if (one === undefined || two === undefined) throw new Error("no challenges");
    await solvers[0]?.cleanup(one, null, { signal });
    expect((await one.ask(one.path)).status).toBe(404);
    expect((await two.ask(two.path)).status).toBe(200);
    await solvers[0]?.close?.();
    expect((await two.ask(two.path)).status).toBe(200);
    await solvers[1]?.cleanup(two, null, { signal });
    await expect(two.ask(two.path)).rejects.toThrow("ECONNREFUSED");
  });

  it("renew certificates of different accounts in one run", async () => {
    await using issuing = await startIssuing();
    for (const name of ["a", "b"]) {
      const issued = await issuing.issue(["-d", `${name}.test`, "-m", `${name}@example.test`]);
      expect(issued.code).toBe(0);
    }
    const { code, stderr } = await issuing.run(["renew", "--force", "--no-jitter", "--json"]);
    expect(stderr).not.toContain("in use");
    expect(code).toBe(0);
  });

  it("share a unix socket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "acmectl-socket-"));
    const socket = join(folder, "acme.sock");
    const [first, second] = [await open({ socket }), await open({ socket })];
    await first.preflight?.([], { signal });
    const challenge = challengeFor("http-01", "example.com");
    await second.present(challenge, { signal });
    await first.close?.();
    const asked = { socketPath: socket, path: challenge.path, headers: { host: "example.com" } };
    expect((await ask(asked)).body).toBe(challenge.body);
    await second.close?.();
    await expect(stat(socket)).rejects.toThrow("ENOENT");
    await rm(folder, { recursive: true });
  });
});

/** Another acmectl process that listens, and closes when it gets a line. */
async function otherRun(place: string) {
  const folder = await mkdtemp(join(tmpdir(), "acmectl-holder-"));
  const script = `import { createServer } from "node:net";
const server = createServer().listen(${place}, () => console.log(server.address().port ?? "socket"));
process.stdin.once("data", () => server.close(() => process.exit()));`;
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(join(folder, "acmectl.js"), script);
  const child = spawn(process.execPath, [join(folder, "acmectl.js"), "issue"]);
  const port = await new Promise<number>((resolve) =>
    child.stdout.once("data", (chunk) => resolve(Number(String(chunk)))),
  );
  return {
    port,
    pid: child.pid,
    end: () => child.stdin.write("\n"),
    async [Symbol.asyncDispose]() {
      child.kill();
      await rm(folder, { recursive: true });
    },
  };
}

describe.runIf(process.platform === "linux")("a port that another acmectl run uses", () => {
  it("is waited for, with a message", async () => {
    await using other = await otherRun('0, "127.0.0.1"');
    const solver = await open({ port: other.port, wait: 30_000 });
    const started = solver.preflight?.([], { signal });
    await expect
      .poll(() => solver.log.entries.map(({ message }) => message))
      .toEqual([`waiting for acmectl (pid ${other.pid}), which uses port ${other.port}`]);
    other.end();
    await started;
    expect(solver.places()).toEqual([`127.0.0.1:${other.port}`]);
  });

  it("is waited for no longer than the option wait", async () => {
    await using other = await otherRun('0, "127.0.0.1"');
    const solver = await open({ port: other.port, wait: 600 });
    const problem = await problemOf(solver.preflight?.([], { signal }));
    expect(problem.message).toContain(`another acmectl run (pid ${other.pid}). Waited 1 s.`);
    expect(problem.hint).toContain("--standalone-wait");
  });

  it("is no longer waited for when the run is aborted", async () => {
    await using other = await otherRun('0, "127.0.0.1"');
    const aborting = new AbortController();
    const solver = await open({ port: other.port, wait: 60_000 });
    const waiting = solver.preflight?.([], aborting);
    setTimeout(() => aborting.abort(new Error("Ctrl-C")), 400);
    await expect(waiting).rejects.toThrow();
  });

  it("may be a unix socket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "acmectl-socket-"));
    const socket = join(folder, "acme.sock");
    {
      await using other = await otherRun(JSON.stringify(socket));
      const solver = await open({ socket, wait: 30_000 });
      const started = solver.preflight?.([], { signal });
      await expect.poll(() => solver.log.entries.length).toBeGreaterThan(0);
      expect(solver.log.entries[0]?.message).toContain(
        `acmectl (pid ${other.pid}), which uses ${socket}`,
      );
      other.end();
      await started;
      await solver.close?.();
    }
    await rm(folder, { recursive: true });
  });
});

it("answers a challenge that is presented while the last one is cleaned up", async () => {
  const port = await freePort();
  const solver = await open({ port });
  for (let round = 0; round < 20; round++) {
    const [one, two] = [challengeFor("http-01", "a.example"), challengeFor("http-01", "b.example")];
    await solver.present(one, { signal });
    await Promise.all([solver.cleanup(one, null, { signal }), solver.present(two, { signal })]);
    const asked = { port, path: two.path, headers: { host: "b.example" } };
    expect((await ask(asked)).body).toBe(two.body);
    await solver.cleanup(two, null, { signal });
  }
});

describe("the host name of a request", () => {
  it.each([
    ["example.com:80", "example.com"],
    ["[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]"],
    ["[::ffff:192.0.2.1]", "[::ffff:c000:201]"],
    ["exa mple.com", undefined],
    ["example.com/path", undefined],
    ["user@example.com", undefined],
    ["example.com:80:80", undefined],
    ["[not an address]", undefined],
    ["[::::]", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("in %j is %j", (text, host) => {
    expect(hostOf(text)).toBe(host);
  });

  it("is undefined for a Forwarded header without host", () => {
    expect(requestedHost({ forwarded: "for=192.0.2.1;proto=http" }, "Forwarded")).toBeUndefined();
    expect(requestedHost({}, "X-Forwarded-Host")).toBeUndefined();
  });
});
