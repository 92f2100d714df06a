import type { Site } from "./site.ts";

/** The files that `apachectl -t -D DUMP_VHOSTS` names, as in `(/etc/apache2/sites-enabled/000-default.conf:1)`. */
export function virtualHostFiles(dump: string): readonly string[] {
  const files = [...dump.matchAll(/\((\/[^()]+):\d+\)/gu)].map(([, file = ""]) => file);
  return [...new Set(files)];
}

/** The virtual hosts of one configuration file. */
export function readApache(text: string, file: string): readonly Site[] {
  const sections = text.matchAll(/^[ \t]*<VirtualHost\b([^>]*)>(.*?)^[ \t]*<\/VirtualHost>/gimsu);
  return [...sections].flatMap(([, addresses = "", body = ""]) => {
    const values = (name: string) =>
      [...body.matchAll(new RegExp(`^[ \\t]*${name}[ \\t]+(.+)$`, "gimu"))].flatMap(
        ([, rest = ""]) => wordsOf(rest),
      );
    const value = (name: string) => values(name).find((one) => !one.includes("${"));
    const names = [...values("ServerName"), ...values("ServerAlias")]
      .map((name) => name.replace(/^\w+:\/\//u, "").replace(/:\d+$/u, ""))
      .filter((name) => name.includes("."));
    const isPlain = value("SSLEngine")?.toLowerCase() !== "on" && !/:443\b/u.test(addresses);
    const root = isPlain && values("Redirect").length === 0 ? value("DocumentRoot") : undefined;
    const [certificate, key] = [value("SSLCertificateFile"), value("SSLCertificateKeyFile")];
    return names.length === 0 ? [] : [{ names, root, certificate, key, file }];
  });
}

function wordsOf(text: string): readonly string[] {
  return (text.match(/"[^"]*"|\S+/gu) ?? []).map((word) => word.replaceAll('"', ""));
}
