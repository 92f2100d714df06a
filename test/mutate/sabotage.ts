/** One sabotage, in a copy of the sources. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Sabotage } from "./sabotages.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const copied = ["bin", "docs", "plugins", "schema", "src", "test", "package.json", "tsconfig.json"];

/** Undefined if a test fails with the sabotage; else why not. The tests pass without it: they are part of the check. */
export async function unnoticed(sabotage: Sabotage): Promise<string | undefined> {
  const { file, out } = sabotage;
  const source = await readFile(join(root, file), "utf8");
  const found = source.split(out).length - 1;
  if (found !== 1) return `${file} has ${found} places with the text to take out`;
  const copy = await mkdtemp(join(tmpdir(), "acmectl-sabotage-"));
  try {
    for (const name of copied) await cp(join(root, name), join(copy, name), { recursive: true });
    for (const name of ["node_modules", "dist"]) await symlink(join(root, name), join(copy, name));
    await writeFile(
      join(copy, file),
      source.replace(out, () => sabotage.in),
    );
    const { code, said } = await tested(copy, sabotage);
    if (code === 0) return `${sabotage.tests.join(" and ")} pass`;
    return /\d+ failed/.test(said) ? undefined : `the tests did not run:\n${said.slice(-2000)}`;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function tested(folder: string, { tests, title }: Sabotage) {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const chosen = title === undefined ? [] : ["--testNamePattern", title];
  const how = ["--config", "test/mutate/vitest.config.ts", "--bail", "1", "--color=false"];
  const env = { ...process.env, ACMECTL_MUTATE_TESTS: tests.join(" ") };
  const child = spawn(process.execPath, [vitest, "run", ...how, ...chosen], { cwd: folder, env });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = await once(child, "close");
  return { code, said };
}
