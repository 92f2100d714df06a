import { globSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "rolldown";
import { builtins } from "./packaging/builtins.ts";
import { notices } from "./packaging/notices.ts";

/** What others import, `acmectl/plugin` as `src/plugin.ts`. */
const published = ["src/plugin.ts", "src/plugin/http.ts", "src/testing.ts"];

/** Found by listing their folders at run time, so each keeps its path in `dist`. */
const listed = [
  ...globSync("src/commands/**/*.ts", { exclude: ["**/command.ts", "**/definitions.ts"] }),
  ...globSync("plugins/*/index.ts"),
];

const entries = ["src/main.ts", ...published, ...listed];

/** acme-client writes the JWS; what it could also do would load axios and a library for ASN.1. */
const jwsOnly = {
  name: "jws-only",
  resolveId(source: string, importer: string | undefined) {
    if (!importer?.endsWith("/acme-client/src/http.js") || !/^\.\/(axios|crypto)$/.test(source))
      return undefined;
    return join(import.meta.dirname, "packaging/lean/acme-client.cjs");
  },
};

/** Everything that runs, packages included, so that npm installs nothing beside it. */
export default defineConfig({
  input: byName(entries),
  platform: "node",
  resolve: {
    conditionNames: ["source", "node", "import", "default"],
    // acme-client requires what acmectl imports: one copy serves both.
    alias: {
      "@peculiar/x509": "@peculiar/x509/build/x509.es.js",
      // pg requires it, and extends what it gets.
      "pg-pool$": join(import.meta.dirname, "node_modules/pg-pool/index.js"),
      undici$: join(import.meta.dirname, "packaging/lean/undici.js"),
    },
  },
  // The oldest Node.js that package.json promises.
  transform: { target: "node22.12" },
  plugins: [jwsOnly, builtins(), notices("THIRD-PARTY-NOTICES")],
  output: {
    dir: "dist.new",
    cleanDir: true,
    // For `npm run stack`; packaging/after-build.ts moves them out of what is installed.
    sourcemap: "hidden",
    entryFileNames: "[name].js",
    chunkFileNames: "src/chunks/[name]-[hash].js",
    codeSplitting: {
      // The first group that a file fits takes it, with what it imports that no group before has taken.
      groups: [
        // What each run needs, and `list` and a `renew` with nothing due, in as few files as can be: a file costs a millisecond.
        {
          name: "base",
          test: /src\/(problem|version|clock|abortable|compile-cache|streams|errors|prepared|plugin)\.ts$|rolldown\/runtime|usingCtx/,
        },
        {
          name: "program",
          test: /src\/(program\/|commands\/command\.ts$|state\/(?!postgres\/|s3\/|shared\/|sealing|folder\/(archive|fault|check))|status\/(?!standing|page)|acme\/presets|renew\/(ari|by-index|idle|index-entry|quiet|report)|deploy\/steps\/write-file|options\/declared\/(pass|request))/,
        },
        // Before the shared states: it is loaded without them too.
        { name: "proxy", test: /src\/proxy\.ts$/ },
        // What only a shared state needs.
        { name: "shared", test: /src\/state\/(shared\/|sealing)/ },
        { name: "s3", test: /src\/state\/s3\/|node_modules\/aws4fetch\// },
        {
          name: "postgres",
          test: /src\/state\/postgres\/|node_modules\/(pg|pg-[a-z-]+|pgpass|postgres-[a-z]+|split2|xtend)\//,
        },
        // What solvers share.
        { name: "http", test: /src\/(plugin\/|kubernetes\/open)/ },
        // What `plan` needs besides, and `status`.
        { name: "request", test: /src\/(request|solvers)\// },
        { name: "pipeline", test: /src\/(issue|issuer|account)\// },
        // Rooms of which a command needs most or nothing.
        { name: "import", test: /src\/(commands\/)?import\// },
        { name: "renewal", test: /src\/renew\// },
        { name: "schedule", test: /src\/schedule\// },
        // Fragments that are loaded together, or seldom.
        {
          name: "acme",
          test: /node_modules\/(acme-client|debug|ms)\/|packaging\/lean\/(axios|crypto)/,
        },
        { name: "azure", test: /plugins\/azure\/(client|credentials)\.ts$/ },
        { name: "google", test: /plugins\/google\/(client|credentials)\.ts$/ },
        {
          name: "errors",
          test: /plugins\/((azure|digitalocean|google|route53)\/errors|route53\/changes|digitalocean\/client)\.ts$/,
        },
        { name: "config", test: /src\/config\/(file|secrets|sections|values)\.ts$/ },
        { name: "notify", test: /src\/notify\/(?!channels\/email)/ },
        { name: "check", test: /state\/folder\/(check\.ts|fault\.ts|archive\/)/ },
        { name: "standing", test: /src\/(status\/standing|check\/account)\.ts$/ },
        {
          name: "x509",
          test: /acme\/certificate\/(csr|temporary)\.ts$|@peculiar\/x509\//,
        },
        {
          name: "steps",
          test: /deploy\/(temporary\.ts|steps\/(acme-sh|docker|kubernetes|ssh))|src\/kubernetes\//,
        },
        {
          name: "agents",
          test: /node-fetch\/src\/utils\/multipart-parser|gaxios\/node_modules\/(agent-base|https-proxy-agent)\//,
        },
        { name: "http1", test: /transport\/http1\.ts$|\/undici/ },
        // The conversation, with its prompts.
        {
          name: "setup",
          test: /src\/setup\/|node_modules\/(@clack|sisteransi|fast-(string|wrap)-)/,
        },
        // The service, and what it does beside renewing.
        { name: "run", test: /src\/(run|pull)\// },
      ],
    },
    // The names of functions stay, for the stack of a bug that is reported.
    minify: {
      compress: true,
      mangle: { keepNames: { function: true, class: true } },
      codegen: { removeWhitespace: true },
    },
  },
});

function byName(files: readonly string[]): Record<string, string> {
  return Object.fromEntries(files.map((file) => [nameOf(file), file]));
}

function nameOf(file: string): string {
  return file.replace(/\.ts$/, "");
}
