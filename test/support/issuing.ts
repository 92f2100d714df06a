import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startTestCa, type TestCa, type TestCaOptions } from "../../src/test-ca/test-ca.ts";
import { watchCa } from "./invariants/watch.ts";
import { run, type Ran, type RunOptions } from "./run.ts";
import { freePort } from "./servers/process.ts";
import { temporaryFolder } from "./state.ts";

/** The embedded CA, a state folder, and `acmectl` pointed at both. */
export interface Issuing extends AsyncDisposable {
  readonly ca: TestCa;
  readonly httpPort: number;
  readonly state: string;
  /** The home of those who run it. */
  readonly home: string;
  /** `issue` with these words, by standalone unless `solver` says otherwise. */
  issue(
    words: readonly string[],
    options?: RunOptions & { solver?: readonly string[] },
  ): Promise<Ran>;
  run(words: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The words that lead to this CA, for commands that are spawned. */
  readonly words: readonly string[];
}

export async function startIssuing(
  options: Omit<TestCaOptions, "httpPort"> = {},
): Promise<Issuing> {
  const folder = await temporaryFolder();
  const httpPort = await freePort();
  const ca = await startTestCa({ ...options, httpPort });
  const bundle = join(folder.path, "ca.pem");
  await writeFile(bundle, ca.rootPem);
  const state = join(folder.path, "state");
  watchCa(state, ca);
  const words = [
    "--server",
    ca.directoryUrl,
    "--ca-bundle",
    bundle,
    "--state",
    state,
    "--agree-tos",
  ];
  const env = { HOME: folder.path };
  const standalone = ["--solver", "standalone", "--standalone-port", String(httpPort)];
  return {
    ca,
    httpPort,
    state,
    home: folder.path,
    words,
    issue: (more, { solver = standalone, ...settings } = {}) => {
      const place = more.includes("--self-check-at")
        ? []
        : ["--self-check-at", `127.0.0.1:${httpPort}`];
      const where = more.includes("--server") ? words.slice(2) : words;
      return run(["issue", ...more, ...solver, ...where, ...place], { env, ...settings });
    },
    run: (more, settings = {}) => run([...more, "--state", state], { env, ...settings }),
    async [Symbol.asyncDispose]() {
      await ca.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
