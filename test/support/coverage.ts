/** Vitest's provider of coverage, without the tests that add nothing to it: counting costs a third of a test's CPU time. */
import v8 from "@vitest/coverage-v8";
import type { CoverageProviderModule } from "vitest/node";

/** Of rooms without a threshold, and long ones that go where others have been. */
const uncounted =
  /\/(plugins|test\/(acme|dns|docs|fuzz|output|schedule|test-ca|renew\/(300-days|scheduler)))[./]/;

/** Whether this process is about to run a test that is counted. */
function isCounted(): boolean {
  const worker: { ctx?: { files: readonly { filepath: string }[] } } | undefined = Reflect.get(
    globalThis,
    "__vitest_worker__",
  );
  const [file] = worker?.ctx?.files ?? [];
  return file !== undefined && !uncounted.test(file.filepath);
}

const provider: CoverageProviderModule = {
  getProvider: () => v8.getProvider(),
  startCoverage: async (options) => isCounted() && v8.startCoverage?.(options),
  takeCoverage: async (options) => (isCounted() ? v8.takeCoverage?.(options) : undefined),
  stopCoverage: async (options) => isCounted() && v8.stopCoverage?.(options),
};
export default provider;
