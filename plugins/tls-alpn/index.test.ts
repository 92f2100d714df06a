import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { connect as connectTcp, createServer, isIP, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type ConnectionOptions } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type OptionsOf, Problem, type Solver } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { survived } from "../../test/support/counted.ts";
import { crowd, quickestOf } from "../../test/support/crowd.ts";
import { freePort } from "../../test/support/servers/process.ts";
import { brokenPlaces } from "../../test/support/places.ts";
import tlsAlpn from "./index.ts";

type Options = OptionsOf<typeof tlsAlpn.options>;

const signal = new AbortController().signal;
const defaults: Options = {
  address: ["127.0.0.1"],
  port: 0,
  socket: undefined,
  socketMode: "0660",
  wait: 0,
};
const opened: Solver<"tls-alpn-01">[] = [];
afterEach(async () => {
  for (const solver of opened.splice(0)) await solver.close?.();
});

async function open(given: Partial<Options> = {}) {
  const log = recordingLog();
  const solver = await tlsAlpn.create({ ...defaults, ...given }, solverContext({ log }));
  opened.push(solver);
  const port = () =>
    Number(
      /\d+$/.exec(String(log.entries.findLast(({ fields }) => fields["on"])?.fields["on"]))?.[0],
    );
  return { ...solver, log, port };
}

interface Shown {
  readonly protocol: string | false | null;
  readonly version: string | null;
  readonly certificate: X509Certificate | undefined;
}

/** One handshake as a CA makes it; rejects where the server refuses it. */
function shake(options: ConnectionOptions): Promise<Shown> {
  const { promise, resolve, reject } = Promise.withResolvers<Shown>();
  const socket = connect({
    host: "127.0.0.1",
    ALPNProtocols: ["acme-tls/1"],
    rejectUnauthorized: false,
    ...options,
  });
  socket.on("error", reject).once("secureConnect", () => {
    const { alpnProtocol: protocol } = socket;
    resolve({
      protocol,
      version: socket.getProtocol(),
      certificate: socket.getPeerX509Certificate(),
    });
    socket.destroy();
  });
  socket.on("close", () => reject(new Error("closed")));
  return promise;
}

/** The 32 bytes of a critical acmeIdentifier extension, as hexadecimal. */
function digestIn({ raw }: X509Certificate): string {
  const start = Buffer.from("06082b0601050507011f0101ff04220420", "hex");
  const at = raw.indexOf(start);
  return at === -1 ? "" : raw.subarray(at + start.length, at + start.length + 32).toString("hex");
}

describe("conformance of the tls-alpn solver", async () => {
  const port = await freePort();
  const cases = solverConformance({
    plugin: tlsAlpn,
    options: { ...defaults, port },
    instances: 1,
    visible: async ({ serverName: servername }) => {
      const shown = await shake({ port, servername }).catch(() => undefined);
      return shown?.certificate === undefined ? [] : [digestIn(shown.certificate)];
    },
    broken: brokenPlaces(defaults, 8443),
  });
  for (const { name, run } of cases) it(name, run);
});

describe("the certificate that the tls-alpn solver shows", () => {
  it.each([
    ["example.com", "example.com", "DNS:example.com"],
    ["192.0.2.1", "1.2.0.192.in-addr.arpa", "IP Address:192.0.2.1"],
    [
      "2001:db8::7",
      "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
      "IP Address:2001:DB8:0:0:0:0:0:7",
    ],
  ])("for %s has its digest and this name alone, under %s", async (value, servername, names) => {
    const solver = await open();
    const challenge = challengeFor("tls-alpn-01", value);
    await solver.present(challenge, { signal });
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const shown = await shake({
        port: solver.port(),
        servername,
        minVersion: version,
        maxVersion: version,
      });
      expect(shown).toMatchObject({ protocol: "acme-tls/1", version });
      const { certificate } = shown;
      if (certificate === undefined) throw new Error("no certificate");
      expect(digestIn(certificate)).toBe(challenge.digest);
      expect(certificate.subjectAltName).toBe(names);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(certificate.issuer).toBe(certificate.subject);
      expect(new Date(certificate.validFrom).getTime()).toBeLessThan(Date.now());
      expect(new Date(certificate.validTo).getTime()).toBeGreaterThan(Date.now());
    }
    expect(isIP(value) === 0).toBe(servername === value);
  });

  it("is that of the name asked for, in any case, until its challenge is cleaned up", async () => {
    const solver = await open();
    const [one, two] = ["a.example", "b.example"].map((name) => challengeFor("tls-alpn-01", name));
    if (one === undefined || two === undefined) throw new Error("no challenges");
    await Promise.all([one, two].map((each) => solver.present(each, { signal })));
    const port = solver.port();
    const seen = async (servername: string) => {
      const { certificate } = await shake({ port, servername });
      return certificate === undefined ? "" : digestIn(certificate);
    };
    expect(await seen("A.Example")).toBe(one.digest);
    expect(await seen("b.example")).toBe(two.digest);
    await solver.cleanup(one, null, { signal });
    await expect(seen("a.example")).rejects.toThrow();
    expect(await seen("b.example")).toBe(two.digest);
    await solver.cleanup(two, null, { signal });
    await expect(seen("b.example")).rejects.toThrow("ECONNREFUSED");
  });
});

describe("clients that the tls-alpn server refuses", () => {
  const challenge = challengeFor("tls-alpn-01", "example.com");
  it.each<[string, ConnectionOptions]>([
    ["ask for another name", { servername: "other.example" }],
    ["ask for a name below it", { servername: "www.example.com" }],
    ["ask for no name", { servername: "" }],
    ["offer h2 alone", { ALPNProtocols: ["h2"] }],
    ["offer h2 beside acme-tls/1", { ALPNProtocols: ["h2", "acme-tls/1"] }],
    ["speak TLS 1.1", { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" }],
  ])("%s", async (_, options) => {
    const solver = await open();
    await solver.present(challenge, { signal });
    await expect(
      shake({ port: solver.port(), servername: "example.com", ...options }),
    ).rejects.toThrow();
    expect(solver.log.entries.at(-1)).toMatchObject({
      level: "debug",
      message: "refused a TLS connection",
    });
    expect(await shake({ port: solver.port(), servername: "example.com" })).toMatchObject({
      protocol: "acme-tls/1",
    });
  });

  it("offer no ALPN: the connection ends after the handshake", async () => {
    const solver = await open();
    await solver.present(challenge, { signal });
    const socket = connect({
      host: "127.0.0.1",
      port: solver.port(),
      servername: "example.com",
      rejectUnauthorized: false,
    }).on("error", () => {});
    await new Promise((resolve) => socket.once("close", resolve));
    expect(solver.log.entries.at(-1)?.fields["reason"]).toBe("it offers no acme-tls/1");
  });

  it("speak plain HTTP, and the log gets no control characters of theirs", async () => {
    const solver = await open();
    await solver.present(challenge, { signal });
    const socket = connectTcp(solver.port(), "127.0.0.1").on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: example.com\r\n\u001b[31m\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    expect(JSON.stringify(solver.log.entries)).not.toContain("\\u001b");
  });

  it("cannot block the CA by 600 connections that stall, flood and say the wrong things", async () => {
    const solver = await open();
    await solver.present(challenge, { signal });
    const port = solver.port();
    const hostile = await crowd(port, 600);
    const answered = async () =>
      expect(await shake({ port, servername: "example.com" })).toMatchObject({
        protocol: "acme-tls/1",
      });
    expect(await quickestOf(answered)).toBeLessThan(1000);
    survived("hostile connections to a listener", 600);
    await expect.poll(hostile.closed).toBeGreaterThanOrEqual(600 - 512);
    await solver.close?.();
    hostile.leave();
  });

  it("stall 300 handshakes, which does not keep the CA out, and are closed after 5 s", async () => {
    const solver = await open();
    await solver.present(challenge, { signal });
    const port = solver.port();
    const stalled: Socket[] = [];
    let closed = 0;
    for (let count = 0; count < 300; count++) {
      const socket = connectTcp(port, "127.0.0.1").on("error", () => {});
      socket.on("close", () => (closed += 1)).resume();
      // The beginning of a ClientHello.
      socket.write(Buffer.from("160301020001", "hex"));
      stalled.push(socket);
    }
    await new Promise((resolve) => stalled.at(-1)?.once("connect", resolve));
    expect(await shake({ port, servername: "example.com" })).toMatchObject({
      protocol: "acme-tls/1",
    });
    // Each byte would start the wait for an idle connection again.
    const [drip] = stalled.slice(-1);
    for (let second = 0; second < 6; second++) {
      drip?.write(Buffer.of(1));
      await sleep(1_000);
    }
    await expect.poll(() => closed, { timeout: 5_000 }).toBe(300);
  }, 20_000);
});

describe("the tls-alpn server", () => {
  it("listens on a unix socket, which is gone afterwards", async () => {
    const folder = await mkdtemp(join(tmpdir(), "acmectl-socket-"));
    const socket = join(folder, "acme.sock");
    const solver = await open({ socket });
    const challenge = challengeFor("tls-alpn-01", "example.com");
    await solver.present(challenge, { signal });
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    expect(await shake({ path: socket, servername: "example.com" })).toMatchObject({
      protocol: "acme-tls/1",
    });
    await solver.close?.();
    await expect(stat(socket)).rejects.toThrow("ENOENT");
    await rm(folder, { recursive: true });
  });

  it("is shared by the solvers of a run", async () => {
    const port = await freePort();
    const solvers = [await open({ port }), await open({ port, address: undefined })];
    const challenges = ["a.example", "b.example"].map((name) => challengeFor("tls-alpn-01", name));
    for (const [index, challenge] of challenges.entries())
      await solvers[index]?.present(challenge, { signal });
    for (const { identifier } of challenges)
      expect(await shake({ port, servername: identifier.value })).toMatchObject({
        protocol: "acme-tls/1",
      });
  });

  it("that cannot open its port names the holder and the way past it", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const address = holder.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const solver = await open({ port });
    const error = await solver.preflight?.([], { signal }).catch((error: unknown) => error);
    if (!Problem.is(error)) throw new Error("no Problem");
    expect(error.exitCode).toBe(3);
    expect(error.hint).toMatch(/HAProxy, nginx or sslh .*--tls-alpn-port/);
    holder.close();
  });
});
