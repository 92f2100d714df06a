import { expect, test } from "vitest";
import { registeredDomain } from "../../src/acme/registered-domain.ts";

test.each([
  ["a.b.example.com", "example.com"],
  ["*.example.com", "example.com"],
  ["example.de", "example.de"],
  // Below a suffix of two labels, and such a suffix itself.
  ["new.shop.example.co.uk", "example.co.uk"],
  ["co.uk", "co.uk"],
  ["a.city.kawasaki.jp", "city.kawasaki.jp"],
  ["a.b.c.kawasaki.jp", "b.c.kawasaki.jp"],
  ["a.b.ck", "a.b.ck"],
  ["a.www.ck", "www.ck"],
  // The private section of the list.
  ["www.me.github.io", "me.github.io"],
  ["github.io", "github.io"],
  ["bucket.s3.eu-west-1.amazonaws.com", "bucket.s3.eu-west-1.amazonaws.com"],
  // Names are encoded in an order (RFC 8555 §7.1.4).
  ["www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"],
  ["a.b.xn--mgba3a4f16a", "b.xn--mgba3a4f16a"],
  ["a.b.not-on-the-list", "b.not-on-the-list"],
  ["printer", "printer"],
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["::1", "0:0:0:0::/64"],
])("Let's Encrypt counts a certificate for %s as one for %s", (name, domain) => {
  expect(registeredDomain(name)).toBe(domain);
});
