import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { credentialsIn, stateOfPort } from "../../src/setup/findings.ts";
import { readApache, virtualHostFiles } from "../../src/setup/findings/apache.ts";
import { readCaddyfile } from "../../src/setup/findings/caddy.ts";
import { readHaproxy } from "../../src/setup/findings/haproxy.ts";
import { readDovecot, readPostfix } from "../../src/setup/findings/mail.ts";
import { readNginx } from "../../src/setup/findings/nginx.ts";
import { providerOf, providers } from "../../src/setup/findings/providers.ts";
import { findServers } from "../../src/setup/findings/servers.ts";
import { builtInOptions } from "../../src/solvers/options.ts";
import { contextOf } from "../support/context.ts";
import { temporaryFolder } from "../support/state.ts";

describe("what nginx -T prints", () => {
  test("shows names, folder and certificate of each site, with its file", () => {
    const text = `# configuration file /etc/nginx/nginx.conf:
user www-data;
events { worker_connections 768; }
http {
  root /srv/default; # for all
  log_format main '$remote_addr { "$request" }';
  include /etc/nginx/sites-enabled/*;
}

# configuration file /etc/nginx/sites-enabled/shop:
server {
  listen 80;
  listen [::]:80;
  server_name shop.example.com www.shop.example.com;
  root "/var/www/my shop";
  location /.well-known/acme-challenge/ { root /var/lib/challenges; }
}
server {
  listen 443 ssl;
  server_name shop.example.com;
  ssl_certificate /etc/nginx/tls/shop.pem;
  ssl_certificate_key /etc/nginx/tls/shop.key;
  location / { proxy_pass http://127.0.0.1:3000; }
}
server {
  server_name .blog.example.com _ localhost "~^(?<sub>.+)\\.example\\.org$";
  location / { root /srv/blog; }
}
server { listen 80; server_name old.example.com; return 301 https://shop.example.com$request_uri; }
`;
    const file = "/etc/nginx/sites-enabled/shop";
    expect(readNginx(text)).toEqual([
      { names: ["shop.example.com", "www.shop.example.com"], root: "/var/lib/challenges", file },
      {
        names: ["shop.example.com"],
        certificate: "/etc/nginx/tls/shop.pem",
        key: "/etc/nginx/tls/shop.key",
        file,
      },
      { names: ["blog.example.com", "*.blog.example.com"], root: "/srv/blog", file },
      { names: ["old.example.com"], file },
    ]);
  });

  test("a folder of the http block counts for sites without their own, and one with a variable does not", () => {
    const text = `http { root /srv/all;
      server { server_name a.example.com; }
      server { server_name b.example.com; root /srv/$host; }
    }`;
    expect(readNginx(text).map(({ root }) => root)).toEqual(["/srv/all", "/srv/all"]);
  });

  test("text that is not a configuration has no sites", () => {
    expect(readNginx("}} ; { nginx: [emerg]")).toEqual([]);
  });
});

describe("Apache", () => {
  test("DUMP_VHOSTS names the files of the virtual hosts", () => {
    const dump = `VirtualHost configuration:
*:80                   is a NameVirtualHost
         default server shop.example.com (/etc/apache2/sites-enabled/000-default.conf:1)
         port 80 namevhost shop.example.com (/etc/apache2/sites-enabled/000-default.conf:1)
*:443                  shop.example.com (/etc/apache2/sites-enabled/shop-ssl.conf:2)
ServerRoot: "/etc/apache2"`;
    expect(virtualHostFiles(dump)).toEqual([
      "/etc/apache2/sites-enabled/000-default.conf",
      "/etc/apache2/sites-enabled/shop-ssl.conf",
    ]);
  });

  test("virtual hosts show names, folder and certificate", () => {
    const text = `# ServerName none.example.com
<VirtualHost *:80>
  ServerName http://shop.example.com:80
  ServerAlias www.shop.example.com *.shop.example.com
  DocumentRoot "/var/www/my shop"
  ErrorLog \${APACHE_LOG_DIR}/error.log
</VirtualHost>
<IfModule mod_ssl.c>
  <VirtualHost _default_:443>
    ServerName shop.example.com
    DocumentRoot /var/www/shop
    SSLEngine on
    SSLCertificateFile /etc/apache2/tls/shop.pem
    SSLCertificateKeyFile /etc/apache2/tls/shop.key
  </VirtualHost>
</IfModule>`;
    expect(readApache(text, "/f")).toEqual([
      {
        names: ["shop.example.com", "www.shop.example.com", "*.shop.example.com"],
        root: "/var/www/my shop",
        file: "/f",
      },
      {
        names: ["shop.example.com"],
        certificate: "/etc/apache2/tls/shop.pem",
        key: "/etc/apache2/tls/shop.key",
        file: "/f",
      },
    ]);
  });
});

test("a Caddyfile shows sites with their folder, and files that tls names", () => {
  const text = `{
	email ops@example.com
}
# a site
shop.example.com, https://www.shop.example.com:443 {
	root * /srv/shop # its folder
	file_server
	handle /api/* {
		reverse_proxy localhost:9000
	}
	tls /etc/caddy/shop.pem /etc/caddy/shop.key
}
:8080 {
	respond 204
}
`;
  expect(readCaddyfile(text, "/f")).toEqual([
    {
      names: ["shop.example.com", "www.shop.example.com"],
      root: "/srv/shop",
      certificate: "/etc/caddy/shop.pem",
      key: "/etc/caddy/shop.key",
      file: "/f",
    },
  ]);
});

test("HAProxy's configuration shows the certificate of each TLS port, whose key is beside it", () => {
  const text = `frontend www
    bind :80
    bind :443 ssl crt /etc/haproxy/shop.pem alpn h2,http/1.1 # TLS
`;
  const [certificate, key] = ["/etc/haproxy/shop.pem", "/etc/haproxy/shop.pem.key"];
  expect(readHaproxy(text, "/f")).toEqual([{ names: [], certificate, key, file: "/f" }]);
});

test("a folder of certificates is not the certificate of HAProxy", () => {
  const sites = readHaproxy("bind :443 ssl crt /etc/haproxy/certs/ alpn h2\n", "/f");
  expect(sites).toEqual([{ names: [], file: "/f" }]);
});

test.each([
  [
    "smtpd_tls_cert_file = /etc/postfix/cert.pem\nsmtpd_tls_key_file = /etc/postfix/key.pem\nsmtpd_tls_chain_files =",
    "/etc/postfix/cert.pem",
    "/etc/postfix/key.pem",
  ],
  ["smtpd_tls_chain_files = /k.pem, /c.pem", "/c.pem", "/k.pem"],
])("Postfix with %j has the certificate %s and the key %s", (text, certificate, key) => {
  const sites = readPostfix(`myhostname = mail.example.com\n${text}\n`);
  const file = "/etc/postfix/main.cf";
  expect(sites).toEqual([{ names: ["mail.example.com"], certificate, key, file }]);
});

test.each([
  "ssl = required\nssl_cert = </etc/dovecot/cert.pem\nssl_key = </etc/dovecot/key.pem\n",
  "ssl_server {\n}\nssl_server_cert_file = /etc/dovecot/cert.pem\nssl_server_key_file = /etc/dovecot/key.pem\n",
])("Dovecot with %j has its certificate and key", (text) => {
  expect(readDovecot(text)).toMatchObject([
    { certificate: "/etc/dovecot/cert.pem", key: "/etc/dovecot/key.pem" },
  ]);
});

describe("the provider of a DNS zone", () => {
  test.each([
    [["ns-2048.awsdns-64.com", "ns-1.awsdns-00.co.uk"], "route53"],
    [["ada.ns.cloudflare.com."], "cloudflare"],
    [["ns1-05.azure-dns.com"], "azure"],
    [["NS-CLOUD-A1.GOOGLEDOMAINS.COM"], "google"],
    [["ns1.digitalocean.com"], "digitalocean"],
    [["hydrogen.ns.hetzner.com"], undefined],
    [["ns1.example.com"], undefined],
    [["digitalocean.com.example.org"], undefined],
  ])("%j is served by the solver %s", (nameservers, solver) => {
    expect(providerOf(nameservers)?.solver).toBe(solver);
  });

  test("every provider is one of the documentation, with the same solver", async () => {
    const file = new URL("../../docs/providers.yaml", import.meta.url);
    const documented = parse(await readFile(file, "utf8")) as { name: string; solver?: string }[];
    for (const { name, solver } of providers) {
      const entry = documented.find((one) => one.name === name);
      expect(entry, name).toBeDefined();
      expect(entry?.solver, name).toBe(solver);
    }
  });
});

test("credentials are found by the variables that the solvers and the vendors' libraries read", async () => {
  const solvers = await builtInOptions("/");
  const env = { CF_DNS_API_TOKEN: "x", AWS_PROFILE: "dns", DO_AUTH_TOKEN: "", PATH: "/bin" };
  expect(credentialsIn(env, solvers)).toEqual({
    cloudflare: ["CF_DNS_API_TOKEN"],
    route53: ["AWS_PROFILE"],
  });
});

test("sites that would act on the terminal are left out, and a program that fails is reported", async () => {
  await using folder = await temporaryFolder();
  const programs = {
    nginx: String.raw`printf 'server { server_name a.example; root "/srv/\033[2J"; } server { server_name b.example; }'`,
    doveconf: "echo 'doveconf: Fatal: broken' >&2; exit 89",
  };
  for (const [name, script] of Object.entries(programs))
    await writeFile(join(folder.path, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const context = contextOf({ folder: folder.path, env: { PATH: folder.path } });
  const warnings: string[] = [];
  const log = { ...context.log, warn: (text: string) => void warnings.push(text) };
  const servers = await findServers({ ...context, log });
  expect(servers.find(({ kind }) => kind === "nginx")?.sites).toEqual([{ names: ["b.example"] }]);
  expect(warnings).toContainEqual(
    "`doveconf -n` failed, so its sites are not known: doveconf: Fatal: broken",
  );
});

test("a port is free until something listens on it", async () => {
  await using server = createServer().listen(0);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  expect(await stateOfPort(port)).toBe("in use");
  server.close();
  await once(server, "close");
  expect(await stateOfPort(port)).toBe("free");
});
