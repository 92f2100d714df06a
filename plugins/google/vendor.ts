/** How Google says no. */
import { fieldOf, listOf, textOf } from "acmectl/plugin/http";
import type { Vendor } from "acmectl/plugin/http";

/** The APIs have an object under `error`, OAuth has a word. */
export const google: Vendor = {
  name: "Google",
  throttled: ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"],
  saidIn(body) {
    const error = fieldOf(body, "error");
    if (typeof error === "string")
      return { words: textOf(body, "error_description") ?? error, reasons: [error] };
    const entries = [...listOf(error, "errors"), ...listOf(error, "details")];
    const reasons = entries.flatMap((entry) => textOf(entry, "reason") ?? []);
    return { words: textOf(error, "message"), reasons };
  },
};
