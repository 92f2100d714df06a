import { readFile } from "node:fs/promises";
import { printable } from "../../acme/text.ts";
import { reloadableServers } from "../../certificate.ts";
import type { Context } from "../../context.ts";
import { searchPath } from "../../deploy/environment.ts";
import { asProblem, Problem } from "../../problem.ts";
import { runProgram } from "../../schedule/machine.ts";
import { lastWords } from "../../shorten.ts";
import { readApache, virtualHostFiles } from "./apache.ts";
import { readCaddyfile } from "./caddy.ts";
import { readHaproxy } from "./haproxy.ts";
import { readDovecot, readPostfix } from "./mail.ts";
import { readNginx } from "./nginx.ts";
import type { FoundServer, ServerKind, Site } from "./site.ts";

/** The servers that are installed, as their own programs or files describe their configuration. Nothing is changed. */
export async function findServers({
  env,
  signal,
  log,
}: Pick<Context, "env" | "signal" | "log">): Promise<readonly FoundServer[]> {
  const surroundings = { env: { ...env, PATH: searchPath(env["PATH"]) }, signal };
  const printed = async (program: string, ...args: readonly string[]) => {
    const ended = await runProgram(program, args, surroundings).catch(asProblem);
    signal.throwIfAborted();
    if (ended === undefined) return undefined;
    if (!Problem.is(ended) && ended.code === 0) return ended.stdout;
    const why = Problem.is(ended) ? ended.message : lastWords(ended.stderr.trim(), 300);
    log.warn(`\`${[program, ...args].join(" ")}\` failed, so its sites are not known: ${why}`);
    return undefined;
  };
  const read = readers(printed);
  const found = reloadableServers.map(async (kind) => {
    const sites = await read[kind]();
    return sites === undefined ? [] : [{ kind, sites: sites.filter(isPrintable) }];
  });
  return (await Promise.all(found)).flat();
}

/** What a terminal would act on is in no name and no path that is worth showing. */
function isPrintable({ names, root, certificate, key, file }: Site): boolean {
  const texts = [...names, root, certificate, key, file];
  return texts.every((text = "") => text === printable(text));
}

type Printed = (program: string, ...args: readonly string[]) => Promise<string | undefined>;
type Reader = () => Promise<readonly Site[] | undefined>;

function readers(printed: Printed): Readonly<Record<ServerKind, Reader>> {
  return {
    nginx: async () => ifAny(await printed("nginx", "-T"), readNginx),
    apache: async () => {
      const [program] = ["apache2ctl", "apachectl"];
      const dumped = ["-t", "-D", "DUMP_VHOSTS"] as const;
      const dump = (await printed(program, ...dumped)) ?? (await printed("apachectl", ...dumped));
      if (dump === undefined) return undefined;
      const sites = virtualHostFiles(dump).map((file) => fromFile(file, readApache));
      return (await Promise.all(sites)).flatMap((one) => one ?? []);
    },
    haproxy: () => fromFile("/etc/haproxy/haproxy.cfg", readHaproxy),
    caddy: () => fromFile("/etc/caddy/Caddyfile", readCaddyfile),
    postfix: async () => ifAny(await printed("postconf"), readPostfix),
    dovecot: async () => ifAny(await printed("doveconf", "-n"), readDovecot),
  };
}

function ifAny(text: string | undefined, read: (text: string) => readonly Site[]) {
  return text === undefined ? undefined : read(text);
}

async function fromFile(file: string, read: (text: string, file: string) => readonly Site[]) {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : read(text, file);
}
