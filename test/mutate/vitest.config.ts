import { defineConfig } from "vitest/config";

const cache = process.env["ACMECTL_MUTATE_CACHE"];

/** The unit tests that are named in ACMECTL_MUTATE_TESTS, separated by blanks: Stryker runs all that a configuration includes. */
export default defineConfig({
  root: new URL("../..", import.meta.url).pathname,
  resolve: { conditions: ["source", "node"] },
  ssr: { resolve: { conditions: ["source", "node"] } },
  test: {
    include: process.env["ACMECTL_MUTATE_TESTS"]?.split(" ") ?? [],
    globalSetup: ["test/support/temporary.ts"],
    // Where the code is changed in memory, its key would be the text on disk, and other runs would get what was changed.
    fsModuleCache: cache !== undefined,
    fsModuleCachePath: cache ?? ".cache/mutate",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 10_000 } },
  },
});
