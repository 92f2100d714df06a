import type { Site } from "./site.ts";

/** The sites of a Caddyfile. Caddy gets certificates by itself, except where `tls` names files. */
export function readCaddyfile(text: string, file: string): readonly Site[] {
  const sites: Site[] = [];
  let depth = 0;
  let names: readonly string[] = [];
  let body: string[][] = [];
  for (const line of text.split("\n").map((one) => one.replace(/(^|\s)#.*$/u, "").trim())) {
    const opens = line.endsWith("{");
    if (depth === 0 && opens) [names, body] = [namesIn(line.slice(0, -1)), []];
    else if (depth === 1) body.push(line.split(/\s+/u));
    if (opens) depth += 1;
    if (line !== "}") continue;
    depth -= 1;
    if (depth === 0 && names.length > 0) sites.push({ names, file, ...siteOf(body) });
  }
  return sites;
}

function namesIn(addresses: string): readonly string[] {
  return addresses
    .split(/[\s,]+/u)
    .map((address) => address.replace(/^https?:\/\//u, "").replace(/[:/].*$/u, ""))
    .filter((name) => /^(\*\.)?[\w-]+(\.[\w-]+)+$/u.test(name));
}

function siteOf(body: readonly (readonly string[])[]): Pick<Site, "root" | "certificate" | "key"> {
  const root = body.find(([name]) => name === "root")?.at(-1);
  const [certificate, key] = (body.find(([name]) => name === "tls") ?? [])
    .slice(1)
    .filter((path) => path.startsWith("/"));
  return { root, certificate, key };
}
