/** The order object (RFC 8555 §7.1.3). */
import { isRecord } from "../../json.ts";
import type { Identifier } from "../../plugin.ts";
import type { Order, OrderStatus } from "../acme.ts";
import { canonicalIdentifier, identifierKey } from "../identifiers.ts";
import {
  array,
  link,
  malformed,
  object,
  optionalDate,
  optionalLink,
  type Origin,
  problemDocument,
  word,
} from "./schema.ts";

const statuses: readonly OrderStatus[] = ["pending", "ready", "processing", "valid", "invalid"];

/** Check an order as the CA returned it. `retryAfter` comes from the answer's header. */
export function readOrder(
  url: string,
  body: unknown,
  { allows, retryAfter }: { allows: Origin["allows"]; retryAfter: Date | undefined },
): Order {
  const origin = { what: "order", url, allows };
  const source = object(body, origin);
  const status = word(source, "status", statuses, origin);
  const certificate = optionalLink(source, "certificate", origin);
  if (status === "valid" && certificate === undefined) {
    throw malformed(origin, `its status is "valid", but it has no certificate`);
  }
  const authorizations = array(source, "authorizations", origin);
  if (status === "pending" && authorizations.length === 0) {
    throw malformed(origin, `its status is "pending", but it has no authorizations`);
  }
  const { profile, replaces } = source;
  return {
    url,
    status,
    identifiers: array(source, "identifiers", origin).map((item) => readIdentifier(item, origin)),
    authorizations: authorizations.map((item) => link(item, "authorizations", origin)),
    finalize: link(source["finalize"], "finalize", origin),
    certificate,
    expires: optionalDate(source, "expires", origin),
    profile: typeof profile === "string" && /^[!-~]{1,100}$/.test(profile) ? profile : undefined,
    replaces:
      typeof replaces === "string" && /^[\w-]+\.[\w-]+$/.test(replaces) ? replaces : undefined,
    error: problemDocument(source["error"]),
    retryAfter,
  };
}

/** An identifier of a CA's object, in the canonical form. */
export function readIdentifier(value: unknown, origin: Origin): Identifier {
  const { type, value: name } = isRecord(value) ? value : {};
  const identifier =
    (type === "dns" || type === "ip") && typeof name === "string"
      ? canonicalIdentifier({ type, value: name })
      : undefined;
  if (identifier === undefined)
    throw malformed(origin, "it holds an identifier that is neither a DNS name nor an IP address");
  return identifier;
}

/** RFC 8555 §7.4: a server may reorder the identifiers and change their case, nothing else. */
export function assertOrdered(order: Order, ordered: readonly Identifier[], origin: Origin): void {
  const asked = new Set(ordered.map(identifierKey));
  const got = new Set(order.identifiers.map(identifierKey));
  const added = [...got].filter((name) => !asked.has(name));
  const dropped = [...asked].filter((name) => !got.has(name));
  if (added.length === 0 && dropped.length === 0) return;
  const why = [
    ...(added.length > 0 ? [`it names ${added.join(", ")}, which was not ordered`] : []),
    ...(dropped.length > 0 ? [`it lacks ${dropped.join(", ")}`] : []),
  ];
  throw malformed(origin, why.join(", and "));
}
