/**
 * `acmectl/plugin/http`: what solvers share, above all those for providers with a JSON API. A solver can be written without it.
 *
 * `requestJson` makes requests, `explainRefusals` turns what the provider refuses into Problems, `zoneFinder` finds the
 * zone of a name, and `recordSolver` or `recordSetSolver` make a solver of a provider's calls.
 */
export { abortable } from "../abortable.ts";
export { addressBytes } from "../address.ts";
export { codeOf, messageOf, systemReason } from "../errors.ts";
export { isRecord, parseJson } from "../json.ts";
export { createLimit } from "../limit.ts";
export { fetchByProxy, proxyFor } from "../proxy.ts";
export { runProgram } from "../run-program.ts";
export type { Program, ProgramEnd } from "../run-program.ts";
export { createAnswering, hostOf, hostSources, requestedHost } from "./answer-http.ts";
export type { HostSource, Responses } from "./answer-http.ts";
export { openCluster } from "../kubernetes/open.ts";
export type { Cluster, ClusterRequest, KubeObject, Resource } from "../kubernetes/open.ts";
export { challengeCertificate } from "./challenge-certificate.ts";
export type { KeyAndCertificate } from "./challenge-certificate.ts";
export { fieldOf, listOf, needText, textOf } from "./json.ts";
export {
  grantedToken,
  hasAnswer,
  keepToken,
  misconfigured,
  printable,
  signedToken,
  tokenIn,
} from "./credentials.ts";
export type { AccessToken } from "./credentials.ts";
export { once, onceEach } from "./keep.ts";
export { sharedListeners } from "./listeners.ts";
export type { Service, SharedListeners, Waiting } from "./listeners.ts";
export type { Advice } from "./listen-problem.ts";
export type { Provider, ZoneReceipt } from "./provider.ts";
export { bareTlsa, edited, readSets, recordSetSolver } from "./record-sets.ts";
export type { Edit, Edits, RecordSetProvider, RecordSetReceipt, WriteCall } from "./record-sets.ts";
export { openMask } from "../mask.ts";
export { recordSolver } from "./records.ts";
export type { Batch, RecordProvider, RecordReceipt, TypedRecord } from "./records.ts";
export { explainRefusals, Refusal } from "./refusal.ts";
export type { Explain, Explanations, Meaning, RefusalFields } from "./refusal.ts";
export {
  beginningOf,
  everyPage,
  fetchWhole,
  lost,
  oneLine,
  repeatRefused,
  requestJson,
  retryAfterIn,
  tooLong,
} from "./request.ts";
export type { JsonRequest, Repetition, RequestSettings, Vendor } from "./request.ts";
export { listenOptions, patience, placesOf, portOptions } from "./server.ts";
export type { Place } from "./server.ts";
export { compareAndSwap, inTurns } from "./swap.ts";
export type { Swap } from "./swap.ts";
export { delegatedOf, NoZone, plainName, relativeName, suffixesOf, zoneFinder } from "./zones.ts";
export type { ListedZone, ProviderZone, Twins, ZoneSource } from "./zones.ts";
