import { isIP } from "node:net";

/** The 4 or 16 bytes of an IP address. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  // URL writes an embedded IPv4 address as two groups.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = [], tail = []] = canonical
    .split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  const groups = [...head, ...zeros, ...tail].map((group) => group.padStart(4, "0"));
  return Buffer.from(groups.join(""), "hex");
}

/** What a CA asks for by SNI: an address cannot be a server name, so its name in the reverse zone (RFC 8738 §6). */
export function serverNameOf({ type, value }: { type: string; value: string }): string {
  if (type !== "ip") return value;
  const bytes = [...addressBytes(value)].toReversed();
  if (bytes.length === 4) return `${bytes.join(".")}.in-addr.arpa`;
  const digits = bytes.flatMap((byte) => [byte & 0xf, byte >> 4]);
  return `${digits.map((digit) => digit.toString(16)).join(".")}.ip6.arpa`;
}
