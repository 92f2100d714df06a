import { isRecord, parseJson } from "../../../src/json.ts";
import type { Rule } from "./rule.ts";
import { textsOf } from "./state.ts";

/** What the embedded CA must not see. */
export const orderRules = {
  "at most one order per attempt": ({ ca, alone, words, after }) => {
    if (ca === undefined || !alone) return [];
    const placed = ca.asked.filter(({ kind, status }) => kind === "newOrder" && status === 201);
    const bySet = Map.groupBy(placed, ({ payload }) => setOf(payload));
    const records = textsOf(after, (path) => path.endsWith("/certificate.json"));
    const wanted = [...records.values()].map((text) => setOf(requestIn(text)));
    // The second key has an order of its own.
    const keys = [...words, ...records.values()].some((text) =>
      /--key-types|secondKeyType/.test(text),
    );
    return [...bySet].flatMap(([set, { length }]) => {
      const certificates = Math.max(1, wanted.filter((one) => one === set).length);
      return length > certificates * (keys ? 2 : 1) ? [`${length} orders for ${set}`] : [];
    });
  },
  "no nonce twice": ({ ca }) => {
    if (ca === undefined) return [];
    const used = ca.ever.flatMap((request) => {
      const nonce = request.protected?.["nonce"];
      return typeof nonce === "string" ? [nonce] : [];
    });
    const seen = new Set<string>();
    const twice = used.filter((nonce) => seen.size === seen.add(nonce).size);
    return twice.map((nonce) => `${nonce} was sent again`);
  },
} satisfies Record<string, Rule>;

/** The identifiers of an order or a request, in any order. */
function setOf(value: unknown): string {
  const identifiers = isRecord(value) ? value["identifiers"] : undefined;
  if (!Array.isArray(identifiers)) return "none";
  return identifiers
    .map((one) => (isRecord(one) ? String(one["value"]) : ""))
    .toSorted()
    .join();
}

function requestIn(text: string): unknown {
  const record = parseJson(text);
  return isRecord(record) ? record["request"] : undefined;
}
