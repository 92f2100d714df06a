/** The account object (RFC 8555 §7.1.2). */
import type { Account } from "../acme.ts";
import { object, optionalLink, type Origin, texts, word } from "./schema.ts";

/** Check an account as the CA returned it. */
export function readAccount(url: string, body: unknown, allows: Origin["allows"]): Account {
  const origin = { what: "account", url, allows };
  const source = object(body, origin);
  const orders = optionalLink(source, "orders", origin);
  return {
    url,
    status: word(source, "status", ["valid", "deactivated", "revoked"], origin),
    contact: texts(source["contact"]),
    ...(orders === undefined ? {} : { orders }),
  };
}
