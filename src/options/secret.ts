/** Secrets by reference: `env:NAME`, `file:/path`, `cmd:program args`. acmectl stores the reference only. */
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { Problem } from "../problem.ts";
import { splitWords } from "./words.ts";
import { systemReason } from "../errors.ts";
import { lastWords } from "../shorten.ts";

export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What a relative `file:` is relative to; absolute. */
  readonly folder: string;
  /** Called with the secret before it is used anywhere. */
  mask(secret: string): void;
  readonly signal?: AbortSignal | undefined;
  /** True when the text is the secret itself, whatever it looks like. */
  readonly literal?: boolean;
  /** For a secret that is a document, such as a service account's JSON. */
  readonly multiline?: boolean;
  /** Milliseconds that a `cmd:` may take. */
  readonly timeLimit?: number;
  /** What the secret is, for errors: `--account-key`. Absent where the caller says so. */
  readonly named?: string;
}

/** True for `env:`, `file:` and `cmd:` with something behind. */
export function isReference(text: string): boolean {
  return /^(env|file|cmd):\s*\S/.test(text);
}

/** True for `env:`, `file:` or `cmd:` alone, which is no secret: masked, it would hide every reference. */
export function isOnlyPrefix(text: string): boolean {
  return /^(env|file|cmd):?\s*$/.test(text);
}

/** The secret that `reference` names; any other text is the secret itself. Rejects with a Problem of kind `config`. */
export async function readSecret(reference: string, sources: SecretSources): Promise<string> {
  const secret = await readReference(reference, sources).catch((error: unknown) => {
    throw namedProblem(error, reference, sources);
  });
  if (!isOnlyPrefix(secret)) sources.mask(secret);
  const fault = faultOf(secret, sources.multiline);
  if (fault !== undefined) {
    const { named = "The secret", literal } = sources;
    const name = literal !== true && isReference(reference) ? `${named} at ${reference}` : named;
    throw new Problem("config", { detail: `${name} ${fault}.`, hint: oneLineHint });
  }
  return secret;
}

/** True for the name of a variable that holds a secret. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) && !harmlessName.test(name);
}

const secretName =
  /SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|BEARER|HMAC|JWT|(?:API|ACCESS|ACCOUNT|AUTH|PRIVATE)_?KEY|(?:^|_)(?:KEY|PASS|PWD|PAT)(?:_|$)|_AUTH$|PASS$|SERVICE_ACCOUNT$|^IDENTITY_HEADER$/iu;
/** Folders, files and sockets are not secrets, though they may contain some. */
const harmlessName = /^(?:OLD)?PWD$|ASKPASS$|_(?:FILE|PATH|DIR|DIRECTORY|SOCK)$/iu;

/** The same reference, true from any folder: `file:token` becomes absolute. */
export function absoluteReference(reference: string, folder: string): string {
  return reference.startsWith("file:") ? `file:${pathOf(reference, folder)}` : reference;
}

/** What a file holds, without the one line end that editors put at its end. Rejects with a Problem. */
export async function readSmallFile(
  path: string,
  signal: AbortSignal | undefined,
  named: string,
): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    const options = { end: longest, signal };
    for await (const chunk of createReadStream(path, options)) chunks.push(Buffer.from(chunk));
  } catch (error) {
    signal?.throwIfAborted();
    const detail = `${named}: cannot read ${path}: ${systemReason(error)}.`;
    throw new Problem("config", { detail, cause: error });
  }
  const content = Buffer.concat(chunks);
  if (content.length > longest) {
    throw new Problem("config", { detail: `${named}: ${path} is larger than ${longest} bytes.` });
  }
  return withoutLineEnd(content.toString("utf8"));
}

/** With the option and the reference that it was given. Of a `cmd:` only the program: its arguments may be secrets. */
function namedProblem(
  error: unknown,
  reference: string,
  { named, folder }: SecretSources,
): unknown {
  if (!Problem.is(error) || !error.is("config") || named === undefined) return error;
  const shown = /^cmd:\s*\S+/.exec(reference)?.[0] ?? reference;
  const why = error.message
    .replace(`file: cannot read ${pathOf(reference, folder)}: `, "")
    .replace(/^The /, "the ");
  const hint = error.hint ?? "Check what it names, and that the user who runs acmectl may read it.";
  return error.with({ detail: `${named} (${shown}) cannot be read: ${why}`, hint });
}

const longest = 65_536;
const oneLineHint = "A secret is one line of text; check what was pasted or printed.";

async function readReference(reference: string, sources: SecretSources): Promise<string> {
  if (sources.literal === true || !isReference(reference)) return reference;
  const rest = reference.slice(reference.indexOf(":") + 1).trim();
  if (reference.startsWith("env:")) return readVariable(rest, sources);
  if (reference.startsWith("cmd:")) return runCommand(rest, sources);
  return readSmallFile(pathOf(reference, sources.folder), sources.signal, "file");
}

function readVariable(name: string, { env }: SecretSources): string {
  const value = env[name];
  if (value === undefined || value === "") {
    throw new Problem("config", {
      detail: `The variable ${name} is ${value === undefined ? "not set" : "empty"}.`,
      hint: `Set ${name} where acmectl runs; cron and systemd do not read shell profiles.`,
    });
  }
  return withoutLineEnd(value);
}

async function runCommand(line: string, sources: SecretSources): Promise<string> {
  const [program, ...args] = splitWords(line) ?? [];
  if (program === undefined) {
    throw new Problem("config", { detail: `cmd:${line} has an unclosed quote.` });
  }
  const { signal, timeLimit = 30_000 } = sources;
  const options = {
    env: withoutOurs(sources.env),
    cwd: sources.folder,
    timeout: timeLimit,
    maxBuffer: longest,
    signal,
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(withoutLineEnd(stdout));
      else if (signal?.aborted === true) reject(signal.reason);
      else reject(commandProblem(program, error, stderr, timeLimit));
    });
    // A program that would ask finds the end of its input and says so, instead of waiting for its time limit.
    // One that has ended already breaks the pipe, which is no fault.
    child.stdin?.on("error", () => undefined).end();
  });
}

function commandProblem(
  program: string,
  error: Error & { code?: unknown; killed?: boolean; signal?: unknown },
  stderr: string,
  timeLimit: number,
): Problem {
  const why =
    error.killed === true && error.code === null
      ? `did not end within ${timeLimit / 1000} seconds`
      : (startFailures[String(error.code)] ?? `failed (${String(error.code ?? error.signal)})`);
  const said = lastWords(stderr.trim(), 1000);
  return new Problem("config", {
    detail: `The program ${program} that should print the secret ${why}${said === "" ? "." : `: ${said}`}`,
    hint: "Run it by hand as the same user; it gets no shell and no input.",
    cause: error,
  });
}

const startFailures: Readonly<Record<string, string>> = {
  ENOENT: "was not found",
  EACCES: "may not be run by this user",
  ERR_CHILD_PROCESS_STDIO_MAXBUFFER: `printed more than ${longest} bytes`,
};

/** The program that prints one secret must not see the others. */
function withoutOurs(env: SecretSources["env"]): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ACMECTL_")));
}

/** The file that `file:` names; a relative path is relative to `folder`. */
export function pathOf(reference: string, folder: string): string {
  const path = reference
    .slice("file:".length)
    .trim()
    .replace(/^\/\/(?=\/)/, "");
  return isAbsolute(path) ? path : resolve(folder, path);
}

/** What makes a text unfit to be a secret, if anything. */
function faultOf(secret: string, multiline = false): string | undefined {
  if (secret.trim() === "") return "is empty";
  if (multiline) return undefined;
  const control = Array.from(secret).some((letter) => letter < " " || letter === "\u007F");
  return control ? "has line breaks or other control characters" : undefined;
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}
