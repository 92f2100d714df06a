/** The order object (RFC 8555 §7.1.3). */
import { isRecord } from "../../json.ts";
import type { Identifier } from "../../plugin.ts";
import { type Order, orderStatuses } from "../acme.ts";
import { canonicalIdentifier } from "../identifiers.ts";
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

/** Check an order as the CA returned it. `retryAfter` comes from the answer's header. */
export function readOrder(origin: Origin, body: unknown, retryAfter: Date | undefined): Order {
  const source = object(body, origin);
  const status = word(source, "status", orderStatuses, origin);
  const certificate = optionalLink(source, "certificate", origin);
  if (status === "valid" && certificate === undefined) {
    throw malformed(origin, `its status is "valid", but it has no certificate`);
  }
  // CAs that ask for no proof leave them out.
  const authorizations =
    (source["authorizations"] ?? undefined) === undefined
      ? []
      : array(source, "authorizations", origin);
  const { replaces } = source;
  return {
    url: origin.url,
    status,
    identifiers: array(source, "identifiers", origin).map((item) => readIdentifier(item, origin)),
    authorizations: authorizations.map((item) => link(item, "authorizations", origin)),
    finalize: link(source["finalize"], "finalize", origin),
    certificate,
    expires: optionalDate(source, "expires"),
    replaces:
      typeof replaces === "string" && /^[\w-]+\.[\w-]+$/.test(replaces) ? replaces : undefined,
    error: problemDocument(source["error"], origin.transport.redact),
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
    throw malformed(origin, "it has an identifier that is neither a DNS name nor an IP address");
  return identifier;
}
