import type { Site } from "./site.ts";

/** What `postconf` prints of Postfix. */
export function readPostfix(text: string): readonly Site[] {
  const value = valuesIn(text);
  const host = value("myhostname");
  // The key comes first in a file or list of smtpd_tls_chain_files.
  const [key, certificate] = (value("smtpd_tls_chain_files") ?? "").split(/[\s,]+/u);
  return [
    {
      names: host?.includes(".") === true ? [host] : [],
      certificate: certificate ?? value("smtpd_tls_cert_file"),
      key: certificate === undefined ? value("smtpd_tls_key_file") : key,
      file: "/etc/postfix/main.cf",
    },
  ];
}

/** What `doveconf -n` prints of Dovecot, before and since version 2.4. */
export function readDovecot(text: string): readonly Site[] {
  const value = valuesIn(text);
  const [certificate, key] = ["cert", "key"].map((what) =>
    (value(`ssl_server_${what}_file`) ?? value(`ssl_${what}`))?.replace(/^</u, ""),
  );
  const folder = "/etc/dovecot";
  return [{ names: [], certificate, key, file: `${folder}/conf.d/10-ssl.conf` }];
}

function valuesIn(text: string): (name: string) => string | undefined {
  return (name) => {
    const value = new RegExp(`^${name}[ \\t]*=[ \\t]*(.*)$`, "mu").exec(text)?.[1]?.trim();
    return value === "" || value?.includes("$") === true ? undefined : value;
  };
}
