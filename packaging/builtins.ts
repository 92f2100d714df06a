/** Node's own modules by `process.getBuiltinModule`: what `import` gives, without what it costs. */
import { createRequire, isBuiltin } from "node:module";
import { promisify } from "node:util";
import type { Plugin } from "rolldown";

/**
 * `import` of a built-in module reads each of its members once, and so loads whatever those load at first use: 5 ms for
 * `node:fs`, 60 ms for `node:http` (WebSocket). And what is heavy itself is loaded by the first call.
 */
export function builtins(): Plugin {
  return {
    name: "builtins",
    renderChunk(code) {
      const replaced = code
        .replace(required, `$1globalThis.process.getBuiltinModule`)
        .replaceAll(statement, (whole, bindings: string | undefined, name: string) => {
          if (!isBuiltin(name)) return whole;
          return bindings === undefined ? "" : declarations(bindings, name);
        });
      // Lines stay what they were, so the map does.
      return { code: replaced, map: null };
    },
  };
}

const heavy = new Set(
  "child_process crypto dgram dns dns/promises fs/promises http http2 https module net readline tls v8 zlib".split(
    " ",
  ),
);
const require = createRequire(import.meta.url);

/** What bundled CommonJS calls: nothing but Node's own modules is left to require. */
const required = /(__require = .*)createRequire\(import\.meta\.url\)/;

/** As rolldown writes them: one to a line. */
const statement = /^import (?:([^"';]+) from )?"([^"]+)";$/gm;

/** `a, { b as c }` or `* as d` → declarations of the same names. */
function declarations(bindings: string, module: string): string {
  const [, whole, named] = /^(?:(?:\* as )?([\w$]+))?(?:, )?(?:\{(.*)\})?$/.exec(bindings) ?? [];
  if (whole === undefined && named === undefined) throw new Error(`Unknown import: ${bindings}`);
  const loaded = `globalThis.process.getBuiltinModule(${JSON.stringify(module)})`;
  const lazy = heavy.has(module.replace(/^node:/, ""));
  const members = (named ?? "").split(",").flatMap((member) => {
    const [name = "", local = name] = member.trim().split(" as ");
    if (name === "") return [];
    const value =
      lazy && isPlainFunction(module, name) ? lazyFunction(module, loaded, name) : undefined;
    return `const ${local} = ${value ?? `${loaded}.${name}`};`;
  });
  const proxy = `new Proxy({}, { get: (_, member) => ${loaded}[member] })`;
  const all = whole === undefined ? [] : [`const ${whole} = ${lazy ? proxy : loaded};`];
  return [...all, ...members].join(" ");
}

/** True where a call is all that matters: it is no class, and nothing is attached to it, such as what `promisify` looks for. */
function isPlainFunction(module: string, name: string): boolean {
  const member: unknown = require(module)[name];
  if (typeof member !== "function" || !/^[a-z]/.test(name)) return false;
  const symbols = Object.getOwnPropertySymbols(member);
  return symbols.every((symbol) => symbol === promisify.custom);
}

function lazyFunction(module: string, loaded: string, name: string): string {
  const call = `(...all) => ${loaded}.${name}(...all)`;
  if (!(promisify.custom in require(module)[name])) return call;
  const key = 'Symbol.for("nodejs.util.promisify.custom")';
  return `Object.defineProperty(${call}, ${key}, { get: () => ${loaded}.${name}[${key}] })`;
}
