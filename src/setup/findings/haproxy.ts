import type { Site } from "./site.ts";

/** What HAProxy's configuration binds with TLS; it names certificates, not hosts. */
export function readHaproxy(text: string, file: string): readonly Site[] {
  return text.split("\n").flatMap((line) => {
    const words = line.replace(/#.*$/u, "").trim().split(/\s+/u);
    const at = words.indexOf("crt");
    if (words[0] !== "bind" || at === -1) return [];
    // `crt` may also name a folder of certificates.
    const certificate = words[at + 1]?.match(/.+\.\w+$/u)?.[0];
    return [{ names: [], certificate, key: certificate && `${certificate}.key`, file }];
  });
}
