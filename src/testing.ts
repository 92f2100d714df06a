/**
 * `acmectl/testing`: for those who write a solver.
 *
 * `solverConformance` lists what every solver promises as cases for any test runner; the rest builds what a solver is given.
 */
export { solverConformance } from "./conformance.ts";
export type {
  BrokenOptions,
  ConformanceCase,
  ConformanceSetup,
  ForeignValue,
} from "./conformance/setup.ts";
export {
  challengeFor,
  memoryState,
  recordingLog,
  responseOf,
  silentLog,
  solverContext,
} from "./conformance/given.ts";
export type { ChallengeDetails, LogEntry } from "./conformance/given.ts";
export { startTestCa } from "./test-ca/test-ca.ts";
export type {
  ArmedFault,
  Fault,
  FaultAction,
  Faults,
  ProblemJson,
  Profile,
  RenewalInfo,
  RequestRecord,
  ResourceKind,
  TestCa,
  TestCaOptions,
} from "./test-ca/test-ca.ts";
