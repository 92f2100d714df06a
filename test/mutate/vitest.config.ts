import { defineConfig } from "vitest/config";

/** The unit tests that are named in ACMECTL_MUTATE_TESTS, separated by blanks: Stryker runs all that a configuration includes. */
export default defineConfig({
  root: new URL("../..", import.meta.url).pathname,
  resolve: { conditions: ["source", "node"] },
  ssr: { resolve: { conditions: ["source", "node"] } },
  test: {
    include: process.env["ACMECTL_MUTATE_TESTS"]?.split(" ") ?? [],
    globalSetup: ["test/support/temporary.ts"],
    // Its key is the text on disk: other runs would get the code that was changed here.
    fsModuleCache: false,
    testTimeout: 120_000,
    expect: { poll: { timeout: 10_000 } },
  },
});
