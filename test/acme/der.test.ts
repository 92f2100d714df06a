import { expect, test } from "vitest";
import {
  addressBytes,
  addressOf,
  dottedOf,
  elementsOf,
  encode,
  identifierBytes,
  tags,
} from "../../src/acme/certificate/der.ts";

test.each([0, 1, 127, 128, 255, 256, 65_535, 65_536])(
  "an element of %s bytes is read as it was written",
  (length) => {
    const content = Buffer.alloc(length, 7);
    const bytes = encode(tags.octetString, content);
    expect(elementsOf(Buffer.concat([bytes, bytes]))).toEqual([
      { tag: tags.octetString, content, bytes },
      { tag: tags.octetString, content, bytes },
    ]);
  },
);

test.each(["30", "3080", "3005", "308201", "3085ffffffffff00", "040100ff"])(
  "bytes that are not DER (%s) have no elements",
  (hex) => {
    expect(elementsOf(Buffer.from(hex, "hex"))).toEqual([]);
  },
);

test.each(["2.5.29.17", "1.2.840.113549.1.9.14", "1.3.101.112", "2.16.840.1.101.3.4.3.17"])(
  "the object identifier %s is read as it was written",
  (dotted) => {
    const [element] = elementsOf(encode(tags.objectIdentifier, identifierBytes(dotted)));
    expect(element && dottedOf(element)).toBe(dotted);
  },
);

test.each([
  ["192.0.2.1", "c0000201", "192.0.2.1"],
  ["2001:db8::1", "20010db8000000000000000000000001", "2001:0db8:0000:0000:0000:0000:0000:0001"],
  ["::", "0".repeat(32), Array.from({ length: 8 }, () => "0000").join(":")],
])("the address %s has its bytes in a certificate", (address, hex, text) => {
  expect(addressBytes(address).toString("hex")).toBe(hex);
  expect(addressOf(Buffer.from(hex, "hex"))).toBe(text);
});
