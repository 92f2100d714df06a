import { expect, test } from "vitest";
import { flagOf, variableOf } from "../../src/options/names.ts";

test.each([
  ["domains", undefined, "--domains", "ACMECTL_DOMAINS"],
  ["agreeTos", undefined, "--agree-tos", "ACMECTL_AGREE_TOS"],
  ["ttl", "cloudflare", "--cloudflare-ttl", "ACMECTL_CLOUDFLARE_TTL"],
  ["apiToken", "acme-dns", "--acme-dns-api-token", "ACMECTL_ACME_DNS_API_TOKEN"],
  ["tsigHMACKey", "rfc2136", "--rfc2136-tsig-hmac-key", "ACMECTL_RFC2136_TSIG_HMAC_KEY"],
  ["http01Port", undefined, "--http01-port", "ACMECTL_HTTP01_PORT"],
  ["zone", "@corp/our.dns", "--corp-our-dns-zone", "ACMECTL_CORP_OUR_DNS_ZONE"],
  ["no-random-sleep", undefined, "--no-random-sleep", "ACMECTL_NO_RANDOM_SLEEP"],
])("%s of %s is the flag %s and the variable %s", (option, plugin, flag, variable) => {
  expect(flagOf(option, plugin)).toBe(flag);
  expect(variableOf(option, plugin)).toBe(variable);
});
