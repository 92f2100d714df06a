/** How Azure says no. */
import { fieldOf, listOf, textOf } from "acmectl/plugin/http";
import type { Vendor } from "acmectl/plugin/http";

/** The management API has an object under `error`, or its members alone; the login has a word and numbers. */
export const azure: Vendor = {
  name: "Azure",
  throttled: ["TooManyRequests"],
  saidIn(body) {
    const error = fieldOf(body, "error") ?? body;
    if (typeof error === "string") {
      const numbers = listOf(body, "error_codes").map((code) => `AADSTS${String(code)}`);
      return { words: textOf(body, "error_description") ?? error, reasons: [error, ...numbers] };
    }
    const code = textOf(error, "code");
    return { words: textOf(error, "message"), reasons: code === undefined ? [] : [code] };
  },
};
