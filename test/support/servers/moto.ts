/** moto's server: AWS's wire, signing and credential chain on loopback (it does not enforce Route 53's rules). */
import { startProcess, withFreePort } from "./process.ts";

export interface Moto {
  /** For `AWS_ENDPOINT_URL`. */
  readonly endpoint: string;
  /** Forget everything. */
  reset(): Promise<void>;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

export async function startMoto(): Promise<Moto> {
  return withFreePort(async (port) => {
    const endpoint = `http://127.0.0.1:${port}`;
    const running = await startProcess({
      program: "moto_server",
      args: ["-H", "127.0.0.1", "-p", String(port)],
      ready: async () => (await fetch(`${endpoint}/moto-api/data.json`)).ok,
    });
    return {
      endpoint,
      async reset() {
        await fetch(`${endpoint}/moto-api/reset`, { method: "POST" });
      },
      log: running.log,
      close: running.close,
    };
  });
}
