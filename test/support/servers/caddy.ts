import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDoor } from "./door.ts";
import { startProcess, withFreePort } from "./process.ts";
import { offsetVariable } from "./shiftable.ts";

export interface CaddyCa {
  readonly directoryUrl: string;
  readonly rootFile: string;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

/** Start Caddy's ACME server with its default lifetimes. */
export async function startCaddyCa(settings: {
  /** Its clock is ahead by the seconds in this file. */
  offsetFile?: string;
  /** Names that it does not issue for. */
  denied?: readonly string[];
  /** `ADDRESS:PORT`, for dns-01. */
  resolver: string;
}): Promise<CaddyCa> {
  const folder = await mkdtemp(join(tmpdir(), "caddy-"));
  const { offsetFile } = settings;
  const clock = offsetFile === undefined ? {} : { [offsetVariable]: offsetFile };
  const started = await withFreePort(async (port) => {
    const config = join(folder, "caddy.json");
    await writeFile(config, JSON.stringify(configOf(folder, port, settings)));
    const running = await startProcess({
      program: "caddy-shiftable",
      args: ["run", "--config", config],
      env: { ...clock, HOME: folder, XDG_DATA_HOME: folder },
      ready: async () =>
        (await fetch(`http://127.0.0.1:${port}/acme/local/directory`)).status === 200,
    });
    return { running, port };
  });
  const door = await openDoor(`http://127.0.0.1:${started.port}`, folder);
  return {
    directoryUrl: `https://127.0.0.1:${door.port}/acme/local/directory`,
    rootFile: door.rootFile,
    log: started.running.log,
    async close() {
      await door.close();
      await started.running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(
  folder: string,
  port: number,
  { resolver, denied = [] }: { resolver: string; denied?: readonly string[] },
): object {
  const policy = denied.length === 0 ? {} : { policy: { deny: { domains: denied } } };
  const resolvers = [`udp/${resolver}`];
  const handler = { handler: "acme_server", ca: "local", resolvers, ...policy };
  // The intermediate is renewed by a timer that a moved clock does not hasten, so it lasts longer than the test.
  const local = { install_trust: false, intermediate_lifetime: "720h" };
  return {
    admin: { disabled: true },
    storage: { module: "file_system", root: folder },
    apps: {
      pki: { certificate_authorities: { local } },
      http: {
        servers: {
          acme: {
            listen: [`127.0.0.1:${port}`],
            automatic_https: { disable: true },
            routes: [{ handle: [handler] }],
          },
        },
      },
    },
  };
}
