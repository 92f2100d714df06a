/** DigitalOcean's errors in words that say which domain, which name, as whom, and what to do. */
import { explainRefusals } from "acmectl/plugin/http";
import type { Meaning } from "acmectl/plugin/http";

const meanings: readonly Meaning[] = [
  {
    kind: "network",
    when: ({ status = 300 }) => status >= 300 && status < 400,
    title: "No proper answer from DigitalOcean",
    hint: "Is there a way out to api.digitalocean.com:443 (proxy, firewall, captive portal, DNS)? An address of your own (apiUrl, DO_API_URL) must speak DigitalOcean's API v2 and must not redirect.",
  },
  {
    kind: "config",
    when: ({ status }) => status === 401,
    title: "DigitalOcean does not know the token",
    hint: "It was revoked, expired or not copied whole. Make one with the scopes domain:read and domain:update at https://cloud.digitalocean.com/account/api/tokens and set token (DO_AUTH_TOKEN).",
  },
  {
    kind: "config",
    when: ({ status }) => status === 403,
    title: "The token lacks a scope",
    hint: "It needs domain:read and domain:update (or domain:create and domain:delete in place of the latter). Scopes of a token can be changed at https://cloud.digitalocean.com/account/api/tokens.",
  },
  {
    kind: "config",
    when: ({ status }) => status === 404,
    title: "Not found at DigitalOcean",
    hint: "The domain was removed, or belongs to a team that this token does not see.",
  },
  {
    kind: "solver",
    when: ({ status }) => status === 422,
    title: "DigitalOcean does not take the record",
    hint: "A CNAME at the same name stands in the way (let acmectl follow it, or remove it), or ttl (DO_TTL) is below 30.",
  },
  {
    kind: "solver",
    when: ({ status }) => status === 429,
    title: "DigitalOcean is rate limiting",
    hint: "A token may make 250 requests a minute and 5000 an hour, all of its users together. Run again later, or give acmectl a token of its own.",
  },
  {
    kind: "solver",
    when: () => true,
    title: "DigitalOcean failed",
    hint: "If it does not pass, look at https://status.digitalocean.com.",
  },
];

/** Does what it is given, and tells a refusal as a Problem. */
export const explaining = explainRefusals({
  vendor: "DigitalOcean",
  meanings,
  identity: () => "with the API token (token)",
});
