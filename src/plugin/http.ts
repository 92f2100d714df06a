/** `acmectl/plugin/http`: what solvers for providers with a JSON API share. Nothing here is needed to write a solver. */
export { codeOf, messageOf, systemReason } from "../errors.ts";
export { isRecord } from "../json.ts";
export { fieldOf, listOf, needText, textOf } from "./json.ts";
export { keepToken, once, onceEach } from "./keep.ts";
export type { AccessToken } from "./keep.ts";
export { explainRefusals, Refusal } from "./refusal.ts";
export type { Explain, Explanations, Meaning, RefusalFields } from "./refusal.ts";
export { oneLine, repeatRefused, requestJson } from "./request.ts";
export type { JsonRequest, Repetition, RequestSettings, Vendor } from "./request.ts";
export { compareAndSwap, inTurns } from "./swap.ts";
export type { Swap } from "./swap.ts";
export { delegatedOf, suffixesOf } from "./zones.ts";
export type { Twins } from "./zones.ts";
