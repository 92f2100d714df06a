import type { SignedRequest } from "../signed/handler.ts";
import type { State } from "../state.ts";
/** Verifies an external account binding (RFC 8555 §7.3.4) and returns it, to be shown in the account object. */
export declare function checkExternalBinding(
  state: State,
  request: SignedRequest,
  payload: Record<string, unknown>,
): unknown;
