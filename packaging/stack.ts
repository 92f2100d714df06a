/**
 * `npm run stack < FILE`: the lines of a stack of the built program, with their places in the source. It needs `dist.maps/`, which
 * `npm run build` writes beside `dist/` and nothing that is installed contains.
 */
import { existsSync, readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const place = /(?:file:\/\/)?[^\s()]*\/dist\/([^\s()]+\.js):(\d+):(\d+)/g;
process.stdout.write(
  readFileSync(0, "utf8").replaceAll(place, (built, file: string, line: string, column: string) => {
    const map = join(root, "dist.maps", `${file}.map`);
    if (!existsSync(map)) return built;
    const found = new SourceMap(JSON.parse(readFileSync(map, "utf8"))).findEntry(
      Number(line) - 1,
      Number(column) - 1,
    );
    if (!("originalSource" in found)) return built;
    const source = resolve(root, "dist", file, "..", found.originalSource);
    return `${relative(root, source)}:${found.originalLine + 1}:${found.originalColumn + 1}`;
  }),
);
