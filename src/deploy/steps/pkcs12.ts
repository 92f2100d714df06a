/**
 * PKCS#12 key stores, made by the `openssl` command: we do not implement a format of passwords and ciphers ourselves. Java reads
 * them as they are (its own default since version 9), version 8 under the name JKS too.
 */
import { execFile } from "node:child_process";
import type { Pkcs12Setting } from "../../certificate.ts";
import { readSecret } from "../../options/secret.ts";
import { asProblem, Problem } from "../../problem.ts";
import type { CertificateFiles } from "../../state/store.ts";
import { searchPath } from "../environment.ts";
import type { DeployTools } from "../tools.ts";
import { accessOf, deployFile, noKeyFor } from "./write-file.ts";
import { lastWords } from "../../shorten.ts";

export interface KeyStoreContent {
  readonly alias: string;
  readonly files: CertificateFiles;
  /** False where the CA sent the certificate alone. */
  readonly hasChain: boolean;
}

/** Write the key store in one rename. Rejects with a `deploy` Problem. */
export async function writeKeyStore(
  setting: Pkcs12Setting,
  content: KeyStoreContent,
  password: string,
  tools: Pick<DeployTools, "env" | "signal"> & {
    readonly assertHeld?: (() => Promise<void>) | undefined;
  },
): Promise<void> {
  const access = await accessOf(setting);
  const bytes = await makeKeyStore(setting, content, password, tools);
  await deployFile({ path: setting.path, content: bytes, secret: true }, access, tools.assertHeld);
}

/** Its bytes; `path` is for messages. */
export async function makeKeyStore(
  setting: Pick<Pkcs12Setting, "path" | "profile">,
  content: KeyStoreContent,
  password: string,
  tools: Pick<DeployTools, "env" | "signal">,
): Promise<Uint8Array> {
  return exportKeyStore(argumentsOf(setting, content), password, tools);
}

/** Rejects with a `deploy` Problem. */
export async function readPassword(
  reference: string,
  path: string,
  tools: Pick<DeployTools, "env" | "cwd" | "mask" | "signal">,
): Promise<string> {
  return readSecret(reference, { ...tools, folder: tools.cwd }).catch((error: unknown) => {
    const { message, hint } = asProblem(error);
    const detail = `Cannot read the password of ${path}. ${message}`;
    throw new Problem("deploy", { detail, hint });
  });
}

/** Said in full, so that every version of openssl makes the same; 3DES needs no legacy provider, RC2 would. */
const ciphers = {
  modern: ["-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256"],
  legacy: ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
} as const;

function argumentsOf(
  { path, profile = "modern" }: Pick<Pkcs12Setting, "path" | "profile">,
  { alias, files, hasChain }: KeyStoreContent,
): readonly string[] {
  const { privateKey, certificate, chain } = files;
  if (privateKey === undefined) throw noKeyFor(path, "Make the key store where the key is.");
  const others = hasChain ? ["-certfile", chain] : [];
  const inputs = ["-inkey", privateKey, "-in", certificate, ...others];
  return ["pkcs12", "-export", ...inputs, "-name", alias, ...ciphers[profile], "-passout", "stdin"];
}

const program = "openssl";

/** The password goes through stdin: arguments and environments show in /proc. */
async function exportKeyStore(
  args: readonly string[],
  password: string,
  { env, signal }: Pick<DeployTools, "env" | "signal">,
): Promise<Uint8Array> {
  const options = {
    encoding: "buffer",
    env: { PATH: searchPath(env["PATH"]) },
    timeout: 60_000,
    signal,
  } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (signal.aborted) reject(signal.reason);
      else reject(opensslProblem(error, stderr.toString("utf8")));
    });
    // A program that is missing or ends early has closed its input already.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(`${password}\n`);
  });
}

function opensslProblem(error: Error & { code?: unknown }, stderr: string): Problem {
  if (error.code === "ENOENT") {
    return new Problem("deploy", {
      detail: "A PKCS#12 key store needs the program openssl, which was not found.",
      hint: "Install it (package openssl), or add its folder to PATH.",
      cause: error,
    });
  }
  const said = lastWords(stderr.replaceAll(/(?!\n)\p{Cc}/gu, " ").trim(), 1000);
  return new Problem("deploy", {
    detail: `openssl pkcs12 failed: ${said === "" ? error.message : said}`,
    cause: error,
  });
}
