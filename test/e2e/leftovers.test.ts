import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { acmectl } from "../support/spawn.ts";

/** Puts a file for each challenge into a folder, and then says nothing more where it is told to. */
const onDisk = `import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
export default {
  summary: "on disk", challengeTypes: ["http-01"],
  options: { folder: { type: "path", required: true, env: ["OUR_FOLDER"], description: "Where." } },
  create: ({ folder }) => ({
    async present({ token, identifier }) {
      await writeFile(join(folder, token), identifier.value);
      if (process.env.OUR_SILENCE) await new Promise(() => {});
      return { file: token };
    },
    async cleanup({ token }, receipt) {
      await rm(join(folder, token), { force: true });
      await writeFile(join(folder, "cleaned"), JSON.stringify({ token, receipt: receipt ?? "none" }));
    },
  }),
};`;

test.each([
  ["before it has answered", { OUR_SILENCE: "1" }, "none"],
  ["after it has answered", {}, undefined],
])(
  "what a run presented that was killed, %s, is removed by the next run of another certificate",
  async (_, silence, receipt) => {
    await using issuing = await startIssuing();
    const folder = join(dirname(issuing.state), "presented");
    await mkdir(folder);
    const file = join(dirname(issuing.state), "on-disk.ts");
    await writeFile(file, onDisk);
    const env = { HOME: issuing.state, OUR_FOLDER: folder };
    const presented = async () => {
      const names = await readdir(folder);
      return names.filter((name) => name !== "cleaned");
    };
    const words = ["-d", "dead.example.test", "--solver", file, "--no-self-check"];
    issuing.ca.faults.add({ on: "challenge", do: { delay: 60_000 } });
    const dead = acmectl(["issue", ...words, ...issuing.words], { env: { ...env, ...silence } });
    const asked = () => issuing.ca.requests.some(({ kind }) => kind === "challenge");
    const isThere = async () => (await presented()).length > 0 && (receipt === "none" || asked());
    await expect.poll(isThere, { timeout: 30_000 }).toBe(true);
    dead.child.kill("SIGKILL");
    expect((await dead.ended).signal).toBe("SIGKILL");
    issuing.ca.faults.clear();
    const [token] = await presented();

    // It has neither the solver nor its variable in its words: both are remembered.
    const next = await issuing.issue(["-d", "alive.example.test"]);
    expect({ code: next.code, stderr: next.stderr }).toMatchObject({ code: 0 });
    expect(next.stderr).toContain(
      "cleaned up the challenges of an earlier run for dead.example.test",
    );
    expect(await presented()).toEqual([]);
    const cleaned: unknown = JSON.parse(await readFile(join(folder, "cleaned"), "utf8"));
    expect(cleaned).toEqual({ token, receipt: receipt ?? { file: token } });
  },
);
