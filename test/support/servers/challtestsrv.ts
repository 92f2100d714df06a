/** Pebble's DNS, told over HTTP what to answer; for tests whose own challenge answers come from elsewhere. */
import { startProcess, freePort, withFreePort } from "./process.ts";

export interface ChallengeDns {
  /** For `startPebble({ dnsServer })`. */
  readonly dnsServer: string;
  /** Where `tell` sends what it is told. */
  readonly managementUrl: string;
  /** `set-txt` {host, value} (adds it), `clear-txt` {host}, `add-a` {host, addresses}, `set-cname` {host, target}, `add-caa` … */
  tell(verb: string, body: object): Promise<void>;
  readonly close: () => Promise<void>;
}

/** Start pebble-challtestsrv with its DNS alone; every name without a record is 127.0.0.1. */
export async function startChallengeDns(): Promise<ChallengeDns> {
  return withFreePort(async (port) => {
    const management = await freePort();
    const off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""];
    const tell = async (verb: string, body: object) => {
      const response = await fetch(`http://127.0.0.1:${management}/${verb}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`challtestsrv ${verb}: ${response.status}`);
    };
    const running = await startProcess({
      program: "pebble-challtestsrv",
      args: ["-dnsserver", `127.0.0.1:${port}`, "-management", `127.0.0.1:${management}`, ...off],
      ready: () => tell("clear-txt", { host: "ready.test." }).then(() => true),
    });
    const managementUrl = `http://127.0.0.1:${management}`;
    return { dnsServer: `127.0.0.1:${port}`, managementUrl, tell, close: running.close };
  });
}
