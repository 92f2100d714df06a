import { isIP } from "node:net";
import { Problem } from "../problem.ts";

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]:8080`. */
export function parsePlace(text: string): Place {
  const [host = "", port = "80"] = isIP(text) === 0 ? splitPort(text) : [text];
  const number = Number(port);
  if (isIP(host) !== 0 && Number.isInteger(number) && number > 0 && number < 65_536)
    return { host, port: number };
  throw new Problem("usage", {
    detail: `--self-check-at: "${text}" is not an address with an optional port.`,
    hint: "Write ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, for example 127.0.0.1:8080.",
  });
}

function splitPort(text: string): readonly string[] {
  return /^\[?(.*?)\]?:(\d+)$/.exec(text)?.slice(1) ?? [text.replaceAll(/^\[|\]$/g, "")];
}
