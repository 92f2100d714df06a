/** How DigitalOcean refuses, and what to do about it. */
import { explainRefusals, textOf } from "acmectl/plugin/http";
import type { Vendor } from "acmectl/plugin/http";

export const digitalOcean: Vendor = {
  name: "DigitalOcean",
  saidIn: (body) => ({ words: textOf(body, "message"), reasons: [textOf(body, "id")] }),
  /** Only the limit per minute comes with Retry-After; the limit per hour comes with the time of its reset. */
  waitIn(headers, status) {
    const reset = headers.get("ratelimit-reset");
    if (status !== 429 || reset === null || !/^\d+$/.test(reset)) return undefined;
    return Math.max(Number(reset) * 1_000 - Date.now(), 1_000);
  },
};

export const explaining = explainRefusals({
  vendor: digitalOcean.name,
  identity: () => "with the API token (token)",
  hints: {
    connection:
      "Check the connection to api.digitalocean.com:443 (proxy, firewall, captive portal, DNS). If apiUrl (DO_API_URL) is set, that server must offer DigitalOcean's API v2 and must not redirect.",
    limit:
      "Run again later, or give acmectl a token of its own. A token may make 250 requests a minute and 5000 an hour, shared by everything that uses it.",
    other: "If it does not pass, see https://status.digitalocean.com.",
  },
  meanings: [
    {
      when: 401,
      title: "DigitalOcean rejects the token",
      hint: "Create a token with the scopes domain:read and domain:update at https://cloud.digitalocean.com/account/api/tokens and set token (DO_AUTH_TOKEN). This one was revoked, has expired or was not copied whole.",
    },
    {
      when: 403,
      title: "The token lacks a scope",
      hint: "Give the token domain:read and domain:update (or domain:create and domain:delete instead of domain:update) at https://cloud.digitalocean.com/account/api/tokens.",
    },
    {
      when: 404,
      title: "Not found at DigitalOcean",
      hint: "Check that the domain was not removed and that it belongs to the token's team.",
    },
    {
      when: 422,
      kind: "solver",
      title: "DigitalOcean rejects the record",
      hint: "If there is a CNAME at this name, let acmectl follow it, or remove it. Check that ttl (DO_TTL) is at least 30.",
    },
  ],
});
