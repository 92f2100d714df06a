import { defineConfig } from "rolldown";

/**
 * What tsc has built is what runs, but for one file: Cloudflare's package loads every product's code, which takes a
 * hundred times as long as the three calls that are used. So this one is bundled in place, and the package not installed.
 */
export default defineConfig({
  input: "dist/plugins/cloudflare/client.js",
  platform: "node",
  output: {
    file: "dist/plugins/cloudflare/client.js",
    format: "esm",
    banner: "/* Contains parts of the npm package cloudflare, © Cloudflare, Apache License 2.0. */",
  },
});
