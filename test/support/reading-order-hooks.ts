/** Loaded before a traced run: every declared function of bin, src and plugins reports its file when it is first called. */
import { appendFileSync, readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { parseSync } from "rolldown/utils";

const root = new URL("../../", import.meta.url).href;
const trace = process.env["READING_TRACE"] ?? "";
const own = new RegExp(`^${root}(bin|src|plugins)/`);

const called = new Set<string>();
Object.assign(globalThis, {
  readingOrder(file: string, start: number) {
    if (called.has(`${file}:${start}`)) return;
    called.add(`${file}:${start}`);
    appendFileSync(trace, `${file}\n`);
  },
});

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!own.test(url) || url.includes("/test-ca/")) return loaded;
    const source = readFileSync(fileURLToPath(url), "utf8");
    return { ...loaded, source: instrumented(source, url) };
  },
});

/** The source with a report at the begin of each function. */
function instrumented(source: string, url: string): string {
  const file = JSON.stringify(url.slice(root.length));
  const bodies: number[] = [];
  visit(parseSync(fileURLToPath(url), source).program, (start) => bodies.push(start));
  let text = source;
  for (const start of bodies.toSorted((a, b) => b - a))
    text = `${text.slice(0, start + 1)}readingOrder(${file},${start});${text.slice(start + 1)}`;
  return text;
}

/** Calls `found` with the place of each function's body. */
function visit(value: unknown, found: (start: number) => void): void {
  if (typeof value !== "object" || value === null) return;
  const { type, body } = value as { type?: string; body?: { start: number } | null };
  if (type === "FunctionDeclaration" && body) found(body.start);
  for (const member of Object.values(value)) visit(member, found);
}
