import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const root = new URL("..", import.meta.url).pathname;
const shared = {
  root,
  resolve: { conditions: ["source", "node"] },
  ssr: { resolve: { conditions: ["source", "node"] } },
};

/** Two projects: `unit` needs nothing but Node; `e2e` starts real servers on loopback. */
export default defineConfig({
  root,
  test: {
    // Tests wait for servers and processes half of their time. Vitest's own choice leaves one core out.
    maxWorkers: Math.max(3, availableParallelism()),
    projects: [
      {
        ...shared,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "plugins/*/*.test.ts"],
          exclude: ["test/e2e/**", "test/bench/**", "plugins/*/*.e2e.test.ts"],
          globalSetup: ["test/support/temporary.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 20_000 } },
        },
      },
      {
        ...shared,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "plugins/*/*.e2e.test.ts"],
          globalSetup: [
            "test/support/temporary.ts",
            "test/support/bundle.ts",
            "test/support/servers/setup.ts",
          ],
          env: { ACMECTL_TEST_BUNDLE: "1" },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 30_000 } },
          // Real servers on a shared machine: a test that fails once is tried once more, and the retry is printed.
          retry: 1,
        },
      },
    ],
    coverage: {
      provider: "custom",
      customProviderModule: "test/support/coverage.ts",
      include: ["src/issue/**", "src/state/**", "src/options/**"],
      exclude: ["**/*.test.ts"],
      reporter: ["text-summary"],
      reportOnFailure: true,
      thresholds: {
        "src/issue/**": { lines: 93, functions: 92, branches: 85 },
        "src/state/**": { lines: 88, functions: 90, branches: 76 },
        "src/options/**": { lines: 80, functions: 62, branches: 78 },
      },
    },
  },
});
