/** The same job for each client: a certificate for these names from this CA. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { find } from "../support/servers/catalog.ts";
import type { Order } from "./bound.ts";
import type { Program } from "./measure.ts";

export interface Job {
  readonly directoryUrl: string;
  readonly rootFile: string;
  readonly httpPort: number;
  /** Where clients keep their state; an own folder for each and, with `anew`, each round. */
  readonly folder: string;
  readonly anew: boolean;
  /** The names of a round, each round others. */
  readonly names: (round: number) => readonly string[];
  /** Publishes dns-01 records, in place of http-01. */
  readonly program?: string | undefined;
}

const repository = fileURLToPath(new URL("../../", import.meta.url));
export const acmectl = [process.execPath, join(repository, "bin", "acmectl.js")];

export function clients(job: Job): readonly Program[] {
  const { directoryUrl, rootFile, httpPort, folder, anew, names, program } = job;
  const state = (client: string, round: number) =>
    join(folder, anew ? `${client}-${round}` : client);
  const email = ["--email", "bench@example.test"];
  const ours: Program = {
    name: "acmectl",
    env: { HOME: folder, XDG_CACHE_HOME: join(folder, "cache") },
    prepare: (round) => [
      ...acmectl,
      ...["issue", "-n", "-d", names(round).join(","), "--state", state("acmectl", round)],
      ...["--server", directoryUrl, "--ca-bundle", rootFile, "--agree-tos", ...email],
      ...(program === undefined
        ? ["--standalone", "--standalone-port", `${httpPort}`]
        : [
            "--solver",
            "exec",
            "--exec-program",
            program,
            "--dns-wait",
            "0s",
            "--dns-cname",
            "none",
          ]),
      ...(program === undefined ? ["--self-check-at", `127.0.0.1:${httpPort}`] : []),
    ],
  };
  return [bound({ ...job, certificates: (round) => [names(round)] }), ours, ...peers(job, state)];
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

function peers(job: Job, state: (client: string, round: number) => string): readonly Program[] {
  const { directoryUrl, rootFile, httpPort, names, program } = job;
  const [lego, certbot] = [find("lego"), find("certbot")];
  const email = "bench@example.test";
  const legos: Program = {
    name: "lego",
    env: { LEGO_CA_CERTIFICATES: rootFile, EXEC_PATH: program ?? "" },
    prepare: (round) => [
      lego ?? "",
      ...["--server", directoryUrl, "--email", email, "--accept-tos"],
      ...["--path", state("lego", round), ...names(round).flatMap((name) => ["--domains", name])],
      ...(program === undefined
        ? ["--http", "--http.port", `:${httpPort}`]
        : ["--dns", "exec", "--dns.disable-cp"]),
      "run",
    ],
  };
  const certbots: Program = {
    name: "certbot",
    env: { REQUESTS_CA_BUNDLE: rootFile },
    async prepare(round) {
      const path = state("certbot", round);
      if (!existsSync(path)) await mkdir(path);
      const hook = (verb: string) =>
        `${program} ${verb} "_acme-challenge.$CERTBOT_DOMAIN." "$CERTBOT_VALIDATION"`;
      return [
        certbot ?? "",
        ...["certonly", "-n", "--agree-tos", "--email", email, "--server", directoryUrl],
        ...[
          "--config-dir",
          path,
          "--work-dir",
          path,
          "--logs-dir",
          path,
          "--no-random-sleep-on-renew",
        ],
        ...["-d", names(round).join(",")],
        ...(program === undefined
          ? ["--standalone", "--http-01-port", `${httpPort}`]
          : ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", hook("present")]),
      ];
    },
  };
  return [...(lego === undefined ? [] : [legos]), ...(certbot === undefined ? [] : [certbots])];
}
