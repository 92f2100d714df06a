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

/** The opposite of `serverNameOf`. */
export function identifierOf(serverName: string): { type: "dns" | "ip"; value: string } {
  const four = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(serverName)?.[1];
  if (four !== undefined) {
    const value = four.split(".").slice(0, 4).toReversed().join(".");
    return { type: "ip", value };
  }
  const six = /^((?:[\da-f]\.){32})ip6\.arpa$/.exec(serverName)?.[1];
  if (six === undefined) return { type: "dns", value: serverName };
  const digits = six.split(".").slice(0, 32).toReversed().join("");
  const value = (digits.match(/.{4}/g) ?? []).join(":");
  return { type: "ip", value: new URL(`http://[${value}]`).hostname.slice(1, -1) };
}

/** What a CA asks for by SNI: an address cannot be a server name, so its name in the reverse zone (RFC 8738 §6). */
export function serverNameOf({ type, value }: { type: string; value: string }): string {
  if (type !== "ip") return value;
  const bytes = [...addressBytes(value)].toReversed();
  if (bytes.length === 4) return `${bytes.join(".")}.in-addr.arpa`;
  const digits = bytes.flatMap((byte) => [byte & 0xf, byte >> 4]);
  return `${digits.map((digit) => digit.toString(16)).join(".")}.ip6.arpa`;
}
