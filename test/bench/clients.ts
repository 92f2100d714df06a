/** The same job for each client: a certificate for these names from this CA. */
import { readFile, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Order } from "./bound.ts";
import type { Program } from "./measure.ts";
import { peerPrograms } from "./peers.ts";
import type { Job } from "./scenarios.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
export const acmectl = [process.execPath, join(repository, "bin", "acmectl.js")];

export function clients(job: Job): readonly Program[] {
  const { directoryUrl, rootFile, httpPort, folder, anew, names, program } = job;
  const state = (round: number) => join(folder, anew ? `acmectl-${round}` : "acmectl");
  const ours: Program = {
    name: "acmectl",
    env: { HOME: folder, XDG_CACHE_HOME: join(folder, "cache") },
    prepare: (round) => [
      ...acmectl,
      ...["issue", "-n", "-d", names(round).join(","), "--state", state(round)],
      ...["--server", directoryUrl, "--ca-bundle", rootFile, "--agree-tos"],
      ...["--email", "bench@example.test"],
      ...(program === undefined
        ? ["--standalone", "--standalone-port", `${httpPort}`]
        : ["--solver", "exec", "--exec-command", program]),
      ...(program === undefined
        ? ["--self-check-at", `127.0.0.1:${httpPort}`]
        : ["--dns-wait", "0s", "--dns-cname", "none"]),
    ],
  };
  return [bound({ ...job, certificates: (round) => [names(round)] }), ours, ...peerPrograms(job)];
}

/** The lower bound. */
export function bound(
  job: Job & { certificates(round: number): readonly (readonly string[])[]; atOnce?: number },
): Program {
  return {
    name: "lower bound",
    async prepare(round) {
      const order: Order = {
        directory: job.directoryUrl,
        root: job.rootFile,
        certificates: job.certificates(round),
        httpPort: job.httpPort,
        ...(job.program === undefined ? {} : { program: job.program }),
        account: join(job.folder, job.anew ? `bound-${round}.json` : "bound.json"),
        output: join(job.folder, "bound.pem"),
        atOnce: job.atOnce ?? 8,
      };
      // Stripped of its types here, so that the run itself is bare.
      const script = join(job.folder, "bound.mjs");
      const source = await readFile(join(repository, "test/bench/bound.ts"), "utf8");
      await writeFile(script, stripTypeScriptTypes(source));
      return [process.execPath, script, JSON.stringify(order)];
    },
  };
}
