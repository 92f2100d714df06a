/** After the build: what `acmectl --help` lists, the help of each command, and the declarations of what others import. */
import { globSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { build } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { allCommands, commandSource } from "../src/commands/definitions.ts";
import { widths } from "../src/prepared.ts";
import { helpTexts } from "../src/program/program.ts";
import { switchBuild } from "./switch.ts";
import manifest from "../package.json" with { type: "json" };

const root = resolve(import.meta.dirname, "..");
const source = commandSource();
const commands = await allCommands(source);
const summaries = Object.fromEntries(commands.map(({ name, summary }) => [name, summary]));
writeFileSync(join(root, "dist.new/src/commands.json"), JSON.stringify(summaries));
for (const width of widths) {
  const texts = await helpTexts(source, width);
  writeFileSync(join(root, `dist.new/src/help-${width}.json`), JSON.stringify(texts));
}

await bundleDeclarations(join(root, "dist.new/types"));

rmSync(join(root, "dist.maps"), { recursive: true, force: true });
for (const file of globSync("**/*.map", { cwd: join(root, "dist.new") })) {
  const map = join(root, "dist.maps", file);
  mkdirSync(dirname(map), { recursive: true });
  renameSync(join(root, "dist.new", file), map);
}
switchBuild(join(root, "dist.new"), join(root, "dist"));

/** One file for each entry of `exports`, and one for what they share, in place of one for each source file. */
async function bundleDeclarations(folder: string): Promise<void> {
  const entries = Object.values(manifest.exports).map(({ types }) =>
    join(root, types.replace("./dist/", "./dist.new/")),
  );
  const input = Object.fromEntries(
    entries.map((file) => [relative(folder, file).replace(/\.d\.ts$/, ""), file]),
  );
  await build({
    input,
    // Only read: tsc has made them.
    plugins: [dts({ dtsInput: true, emitDtsOnly: true, oxc: true })],
    external: /^(node:|acmectl\/)/,
    output: {
      dir: `${folder}.new`,
      entryFileNames: "[name].ts",
      chunkFileNames: "src/shared.d.ts",
      codeSplitting: { groups: [{ name: "shared", minShareCount: 2 }] },
    },
  });
  rmSync(folder, { recursive: true });
  renameSync(`${folder}.new`, folder);
}
