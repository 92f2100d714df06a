/** How DigitalOcean says no. */
import { textOf } from "acmectl/plugin/http";
import type { Vendor } from "acmectl/plugin/http";

export const digitalOcean: Vendor = {
  name: "DigitalOcean",
  saidIn(body) {
    const id = textOf(body, "id");
    return { words: textOf(body, "message"), reasons: id === undefined ? [] : [id] };
  },
  /** Only the limit of a minute comes with Retry-After; that of an hour says when it starts anew. */
  waitIn(headers, status) {
    const reset = headers.get("ratelimit-reset");
    if (status !== 429 || reset === null || !/^\d+$/.test(reset)) return undefined;
    return Math.max(Number(reset) * 1_000 - Date.now(), 1_000);
  },
};
