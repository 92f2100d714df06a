/**
 * `node test/support/reading-order.ts`: the files that a reader meets who follows `acmectl issue -d example.com --webroot /w` from bin
 * to the committed certificate. A real run against the embedded CA is traced: each declared function of bin, src and plugins
 * counts once, when it is first called.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startTestCa } from "../../src/test-ca/test-ca.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface ReadingOrder {
  /** Paths below the repository's root, each once, in the order in which a function of theirs is first called. */
  readonly files: readonly string[];
  /** How often the next new function is in a file that was left before. */
  readonly returns: number;
}

/** Traces one run, once. `within` keeps the files whose path begins with it. */
export async function readingOrder(within = ""): Promise<ReadingOrder> {
  traced ??= traceIssue();
  const called = (await traced).filter((file) => file.startsWith(within));
  const visits = called.filter((file, index) => file !== called[index - 1]);
  const files = [...new Set(visits)];
  return { files, returns: visits.length - files.length };
}

let traced: Promise<readonly string[]> | undefined;

/** The file of every function of acmectl's own, in the order of their first calls. */
async function traceIssue(): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), "acmectl-reading-"));
  const webroot = join(folder, "w");
  const server = createServer((request, response) => {
    readFile(join(webroot, request.url ?? "")).then(
      (body) => response.end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const ca = await startTestCa({ httpPort: port });
  try {
    await mkdir(webroot);
    const [bundle, trace] = [join(folder, "ca.pem"), join(folder, "trace")];
    await writeFile(bundle, ca.rootPem);
    const hooks = new URL("reading-order-hooks.ts", import.meta.url).href;
    const node = ["--conditions=source", "--import", hooks, join(root, "bin/acmectl.js")];
    const typed = ["issue", "-d", "example.com", "--webroot", webroot];
    const where = ["--server", ca.directoryUrl, "--ca-bundle", bundle, "--agree-tos"];
    const here = ["--state", join(folder, "state"), "--self-check-at", `127.0.0.1:${port}`];
    await runNode([...node, ...typed, ...where, ...here], { HOME: folder, READING_TRACE: trace });
    return (await readFile(trace, "utf8")).trim().split("\n");
  } finally {
    await ca.close();
    server.close();
    await rm(folder, { recursive: true });
  }
}

async function runNode(words: readonly string[], env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, words, { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  const code = await new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`the traced run ended with ${code}:\n${said}`);
}

if (import.meta.main) {
  for (const within of ["", "src/issue/"]) {
    const { files, returns } = await readingOrder(within);
    console.log(`${files.join("\n")}\n${files.length} files, ${returns} returns\n`);
  }
}
