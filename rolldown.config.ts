import { globSync } from "node:fs";
import { defineConfig } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { notices } from "./packaging/notices.ts";

/** What others import, `acmectl/plugin` as `src/plugin.ts`. */
const published = ["src/plugin.ts", "src/plugin/http.ts", "src/testing.ts"];

/** Found by listing their folders at run time, so each keeps its path in `dist`. */
const listed = [
  ...globSync("src/commands/**/*.ts", { exclude: ["**/command.ts", "**/definitions.ts"] }),
  ...globSync("plugins/*/index.ts"),
];

/** Everything that runs, packages included, so that npm installs nothing beside it. */
const program = defineConfig({
  input: byName(["src/main.ts", ...published, ...listed]),
  platform: "node",
  resolve: {
    conditionNames: ["source", "node", "import", "default"],
    // acme-client requires what acmectl imports: one copy serves both.
    alias: { "@peculiar/x509": "@peculiar/x509/build/x509.es.js" },
  },
  // The oldest Node.js that package.json promises.
  transform: { target: "node22.12" },
  plugins: [notices("THIRD-PARTY-NOTICES")],
  output: {
    dir: "dist",
    cleanDir: true,
    entryFileNames: "[name].js",
    chunkFileNames: "src/chunks/[name]-[hash].js",
    // Names stay, for the stack of a bug that is reported.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
  },
});

/** One declaration file per published module, from those that `tsc` has written for each source. */
const types = defineConfig({
  input: byName(published.map((file) => `./.types/${file.replace(/\.ts$/, ".d.ts")}`)),
  plugins: [dts({ dtsOnly: true })],
  output: { dir: "dist/src", chunkFileNames: "chunks/[name].d.ts" },
});

function byName(files: readonly string[]): Record<string, string> {
  return Object.fromEntries(files.map((file) => [nameOf(file), file]));
}

function nameOf(file: string): string {
  return file.replace(/^\.\/\.types\/src\//, "").replace(/(\.d)?\.ts$/, "");
}

export default [program, types];
