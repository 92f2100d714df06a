import type { Authorization, Order, State } from "./state.ts";

/** The order's status (RFC 8555 §7.1.6), which follows from its authorizations until it is finalized. */
export function orderStatus(state: State, order: Order): string {
  if (order.error !== undefined) return "invalid";
  if (order.certificate !== undefined) return "valid";
  if (order.processing) return "processing";
  if (order.expires <= state.settings.now()) return "invalid";
  const statuses = order.authorizations.map((each) => authorizationStatus(state, each));
  if (statuses.every((status) => status === "valid")) return "ready";
  return statuses.every((status) => status === "valid" || status === "pending")
    ? "pending"
    : "invalid";
}

/** The authorization's status, `expired` after its date. */
export function authorizationStatus(state: State, authorization: Authorization): string {
  const { status, expires } = authorization;
  const alive = status === "valid" || status === "pending";
  return alive && expires <= state.settings.now() ? "expired" : status;
}
