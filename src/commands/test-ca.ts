import { line, verbatim } from "../result.ts";
import { once } from "node:events";
import { join } from "node:path";
import { readBinding } from "../acme/registration.ts";
import { localCaFolder, startLocalCa } from "../issuer/embedded.ts";
import { Problem } from "../problem.ts";
import type { TestCaOptions } from "../test-ca/test-ca.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { defineCommand } from "./command.ts";

const options = {
  host: { type: "string", default: "127.0.0.1", description: "Address to listen on." },
  port: {
    type: "port",
    default: 14_000,
    description: "Port to listen on; 0 for any free port.",
    min: 0,
  },
  httpPort: { type: "port", default: 80, description: "Port for http-01 validation." },
  tlsPort: { type: "port", default: 443, description: "Port for tls-alpn-01 validation." },
  resolver: {
    type: "string",
    description: "DNS server for validation; without it every name is on this machine.",
    placeholder: "ADDR:PORT",
  },
  eabKid: {
    type: "string",
    description: "Require an external account binding with this key id.",
    placeholder: "ID",
  },
  eabHmac: { type: "string", secret: true, description: "HMAC key of the binding, base64url." },
  badNonceRate: {
    type: "integer",
    default: 0,
    min: 0,
    max: 90,
    description: "Percentage of good nonces to reject.",
  },
} as const satisfies OptionDeclarations;

export const command = defineCommand({
  name: "test-ca",
  summary: "Run the embedded ACME CA in the foreground, to try and test any client",
  description:
    "It validates challenges, but browsers do not trust its certificates. Its root stays in the state folder, so it has to be installed only once. The directory URL and the root are printed first, with --json as one document on one line. Do not expose it to a network: it issues to every client.",
  examples: [
    "acmectl test-ca --http-port 8080",
    "acmectl test-ca --port 0 --resolver 127.0.0.1:5353",
  ],
  options,
  async run(flags, context) {
    const { eabKid, eabHmac, badNonceRate, ...others } = flags;
    const stateFolder = await context.stateFolder();
    const testCa = await startLocalCa(stateFolder, {
      ...others,
      ...bindingOf(eabKid, eabHmac),
      badNonceRate: badNonceRate / 100,
      now: () => context.clock.now(),
      log: (line) => context.log.info(line),
    });
    const { directoryUrl: directory } = testCa;
    const root = join(localCaFolder(stateFolder), "root.pem");
    context.announce({
      document: { outcome: "listening", directory, root },
      view: [verbatim(`directory: ${directory}\nroot:      ${root}\n`)],
    });
    context.log.info("Press Ctrl-C to stop.");
    if (!context.signal.aborted) await once(context.signal, "abort");
    await testCa.close();
    const { length: requests } = testCa.requests;
    return {
      document: { outcome: "ended", directory, root, requests },
      view: [line(`The embedded CA answered ${requests} requests.`, "dim")],
    };
  },
});

function bindingOf(
  kid: string | undefined,
  hmacKey: string | undefined,
): Pick<TestCaOptions, "eab" | "requireEab"> {
  if (kid === undefined && hmacKey === undefined) return {};
  if (kid === undefined || hmacKey === undefined) {
    throw new Problem("usage", {
      detail: `${kid === undefined ? "The key id" : "The HMAC key"} of the external account binding is missing.`,
      hint: "Give both --eab-kid ID and the variable ACMECTL_EAB_HMAC with the key in base64url.",
    });
  }
  const binding = readBinding({ kid, hmacKey });
  return { eab: { [binding.kid]: binding.hmacKey }, requireEab: true };
}
