import { Problem } from "../problem.ts";
import { localCaFolder } from "../issue/local-ca.ts";
import type { TestCaOptions } from "../test-ca/test-ca.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { defineCommand } from "./command.ts";

const options = {
  host: { type: "string", default: "127.0.0.1", description: "The address to listen on." },
  port: {
    type: "port",
    default: 14_000,
    description: "The port to listen on; 0 lets the system pick.",
    min: 0,
  },
  httpPort: { type: "port", default: 80, description: "Where http-01 is asked for." },
  tlsPort: { type: "port", default: 443, description: "Where tls-alpn-01 is asked for." },
  resolver: {
    type: "string",
    description: "The DNS to ask; without it every name is on this machine.",
    placeholder: "ADDR:PORT",
  },
  eabKid: {
    type: "string",
    description: "Want an external account binding with this key id.",
    placeholder: "ID",
  },
  eabHmac: { type: "string", secret: true, description: "The binding's HMAC key in base64url." },
  badNonceRate: {
    type: "integer",
    default: 0,
    min: 0,
    max: 90,
    description: "Per cent of good nonces to refuse.",
  },
} as const satisfies OptionDeclarations;

export const command = defineCommand({
  name: "test-ca",
  summary: "Run the embedded ACME CA in the foreground, for trying and testing any client",
  description:
    "It validates for real and is trusted by nobody. Its root stays in the state folder, so trust it once. Never expose it: it issues to whoever asks.",
  examples: [
    "acmectl test-ca --http-port 8080",
    "acmectl test-ca --port 0 --resolver 127.0.0.1:5353",
  ],
  options,
  async run(flags, context) {
    const { startTestCa } = await import("../test-ca/test-ca.ts");
    const folder = localCaFolder(context.stateFolder);
    const testCa = await startTestCa({
      ...settings(flags),
      folder,
      log: (line) => context.log.info(line),
    }).catch((error: unknown) => {
      throw portProblem(error, flags.host, flags.port);
    });
    context.log.info(`directory: ${testCa.directoryUrl}`);
    context.log.info(`root:      ${folder}/root.pem (for trying only; trusted by nobody)`);
    context.log.info("Ctrl-C ends it.");
    await ended(context.signal);
    await testCa.close();
    return {
      exitCode: 0,
      document: {
        outcome: "ended",
        directory: testCa.directoryUrl,
        requests: testCa.requests.length,
      },
      view: [
        {
          kind: "line",
          text: `The embedded CA has answered ${testCa.requests.length} requests.`,
          tone: "dim",
        },
      ],
    };
  },
});

function settings(flags: OptionsOf<typeof options>): TestCaOptions {
  const { host, port, httpPort, tlsPort, resolver, eabKid, eabHmac, badNonceRate } = flags;
  return {
    host,
    port,
    httpPort,
    tlsPort,
    badNonceRate: badNonceRate / 100,
    ...(resolver === undefined ? {} : { resolver }),
    ...(eabKid === undefined ? {} : { eab: { [eabKid]: eabHmac ?? "" }, requireEab: true }),
  };
}

function portProblem(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "EADDRNOTAVAIL") return error;
  return new Problem("machine", {
    detail: `The embedded CA cannot listen on ${host}:${port}: ${code}.`,
    hint: "Choose another with --port N, or --port 0 for a free one.",
    cause: error,
  });
}

function ended(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
