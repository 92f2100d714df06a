import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ChallengeDns } from "./servers/challtestsrv.ts";

/** The file of a solver that writes to Pebble's DNS, in the test's own process. */
export async function challtestSolver(folder: string, dns: ChallengeDns): Promise<string> {
  const file = join(folder, "challtest.mjs");
  await writeFile(
    file,
    `const tell = (verb, body) => fetch("${dns.managementUrl}/" + verb, { method: "POST", body: JSON.stringify(body) });
export default {
  summary: "writes to Pebble's DNS",
  challengeTypes: ["dns-01"],
  concurrency: 8,
  options: {},
  create: () => ({
    async present({ recordName, recordValue }) {
      await tell("set-txt", { host: recordName + ".", value: recordValue });
      return null;
    },
    async cleanup({ recordName }) {
      await tell("clear-txt", { host: recordName + "." });
    },
  }),
};
`,
  );
  return file;
}
