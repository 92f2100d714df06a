/** Where the server reads certificate and key, and what has to be in its configuration. */
import { join } from "node:path";
import type { Answers } from "./answers.ts";
import type { Choice, Question } from "./conversation.ts";
import { type FoundServer, serves, type ServerKind, type Site } from "./findings/site.ts";
import { type Known, namesOf } from "./known.ts";

/** The server that will use the certificate: one with a site of the name, else a mail server or HAProxy. */
export function consumerOf(
  known: Pick<Known, "answers" | "given" | "findings">,
): { readonly kind: ServerKind; readonly site: Site } | undefined {
  const names = namesOf(known);
  const { servers } = known.findings;
  const all = servers.flatMap(({ kind, sites }) => sites.map((site) => ({ kind, site })));
  const serving = all.filter(({ site }) => names.some((name) => serves(site, name)));
  const own = serving.find(({ site }) => site.certificate !== undefined) ?? serving[0];
  const nameless = all.find(({ kind }) => ["haproxy", "dovecot"].includes(kind));
  return own ?? nameless ?? withoutSites(servers);
}

function withoutSites([server]: readonly FoundServer[]) {
  return server === undefined ? undefined : { kind: server.kind, site: { names: [] } };
}

export function placementQuestion(known: Known): Question | undefined {
  const { given, own, earlier } = known;
  const { fullchainFile, keyFile, certFile, chainFile } = given;
  if ((fullchainFile ?? keyFile ?? certFile ?? chainFile) !== undefined) return undefined;
  const consumer = consumerOf(known);
  const options = placesFor(consumer, own);
  const wanted = options.find(({ value }) => value === earlier.placement) ?? options[0];
  if (consumer === undefined && own !== undefined) return undefined;
  return {
    kind: "choice",
    message: `Where should ${consumer?.kind ?? "your server"} read the certificate?`,
    options,
    initial: wanted?.value,
  };
}

function placesFor(
  consumer: ReturnType<typeof consumerOf>,
  own: string | undefined,
): readonly Choice[] {
  const copies = { value: "folder", label: "Copies in a folder of your choice" };
  const direct = { value: "state", label: "acmectl's own files", hint: own };
  const { certificate, key } = consumer?.site ?? {};
  const existing = {
    value: "existing",
    label: `Replace the files that ${consumer?.kind} reads now`,
    hint: certificate,
  };
  // HAProxy expects the key beside the certificate; Caddy does not run as root.
  const isDirect = own !== undefined && !["haproxy", "caddy"].includes(consumer?.kind ?? "");
  const isOurs = certificate !== undefined && key !== undefined && !isForeign(certificate);
  return [...(isDirect ? [direct] : []), ...(isOurs ? [existing] : []), copies];
}

/** Files of another client, or of the system, are not replaced. */
function isForeign(path: string): boolean {
  return /letsencrypt|acme\.sh|lego|dehydrated|snakeoil|\/acmectl\/|^\/etc\/pki\/tls/u.test(path);
}

export function folderQuestion(known: Known): Question | undefined {
  const { answers, earlier, isRoot } = known;
  if (answers.placement !== "folder") return undefined;
  const [name = "example.com"] = namesOf(known);
  return {
    kind: "text",
    message: "In which folder?",
    initial:
      earlier.folder ?? (isRoot ? join("/etc/ssl/acmectl", name.replace("*", "_")) : undefined),
    placeholder: "/etc/ssl/acmectl",
    check: (text) => (text.startsWith("/") ? undefined : "Give an absolute path."),
  };
}

export function reloadQuestion(known: Known): Question | undefined {
  const consumer = consumerOf(known);
  if (consumer === undefined || (known.given.deployHook ?? known.given.reload) !== undefined)
    return undefined;
  return {
    kind: "yes",
    message: `Should acmectl check and reload ${consumer.kind} after each new certificate?`,
    initial: true,
  };
}

export interface Files {
  readonly fullchain: string;
  readonly key: string;
}

/** Where the answers put the files. */
export function filesOf(
  { placement, folder = "" }: Answers,
  consumer: ReturnType<typeof consumerOf>,
  own: string | undefined,
): Files & { readonly isCopy: boolean } {
  const { certificate = "", key = "" } = consumer?.site ?? {};
  if (placement === "existing") return { fullchain: certificate, key, isCopy: true };
  const at = placement === "folder" ? folder : (own ?? "");
  const fullchain = join(at, "fullchain.pem");
  const beside = consumer?.kind === "haproxy" ? `${fullchain}.key` : join(at, "privkey.pem");
  return { fullchain, key: beside, isCopy: placement === "folder" };
}

/** What has to be in the server's configuration; undefined where it reads these files already. */
export function linesFor(
  consumer: NonNullable<ReturnType<typeof consumerOf>>,
  { fullchain, key }: Files,
): string | undefined {
  const { certificate, key: current } = consumer.site;
  if (certificate === fullchain && current === key) return undefined;
  return {
    nginx: `listen 443 ssl;\nssl_certificate ${fullchain};\nssl_certificate_key ${key};`,
    apache: `SSLEngine on\nSSLCertificateFile ${fullchain}\nSSLCertificateKeyFile ${key}`,
    haproxy: `bind :443 ssl crt ${fullchain}`,
    caddy: `tls ${fullchain} ${key}`,
    postfix: `smtpd_tls_chain_files = ${key}, ${fullchain}`,
    dovecot: `ssl_server_cert_file = ${fullchain}\nssl_server_key_file = ${key}\n# Before Dovecot 2.4: ssl_cert = <${fullchain} and ssl_key = <${key}`,
  }[consumer.kind];
}
