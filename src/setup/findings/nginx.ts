import type { Site } from "./site.ts";

/** The server blocks of what `nginx -T` prints. */
export function readNginx(text: string): readonly Site[] {
  const sites: Site[] = [];
  let file: string | undefined;
  for (const [index, part] of text.split(/^# configuration file (.+):$/mu).entries()) {
    if (index % 2 === 1) file = part;
    else sites.push(...sitesIn(parse(part), undefined, file));
  }
  return sites;
}

interface Directive {
  readonly words: readonly string[];
  readonly block?: readonly Directive[] | undefined;
}

/** A directive ends with `;` or has a block. Included files are printed apart, each complete in itself. */
function parse(text: string): readonly Directive[] {
  const outermost: Directive[] = [];
  const open = [outermost];
  let words: string[] = [];
  for (const [, quoted, mark, plain] of text.matchAll(tokens)) {
    const word = quoted?.slice(1, -1) ?? plain;
    if (word !== undefined) words.push(word);
    if (mark === undefined) continue;
    const block = mark === "{" ? [] : undefined;
    if (words.length > 0) open.at(-1)?.push({ words, block });
    if (block !== undefined) open.push(block);
    if (mark === "}" && open.length > 1) open.pop();
    words = [];
  }
  return outermost;
}

const tokens = /#[^\n]*|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([{};])|((?:\$\{|[^\s{};"'])+)/gu;

function sitesIn(
  directives: readonly Directive[],
  outer: string | undefined,
  file: string | undefined,
): readonly Site[] {
  const root = valueOf(directives, "root") ?? outer;
  return directives.flatMap(({ words: [name], block }) => {
    if (block === undefined) return [];
    return name === "server" ? siteOf(block, root, file) : sitesIn(block, root, file);
  });
}

function siteOf(
  block: readonly Directive[],
  outer: string | undefined,
  file: string | undefined,
): readonly Site[] {
  const names = block
    .filter(({ words }) => words[0] === "server_name")
    .flatMap(({ words }) => words.slice(1))
    .flatMap((name) => (name.startsWith(".") ? [name.slice(1), `*${name}`] : name))
    .filter((name) => /^(\*\.)?[\w-]+(\.[\w-]+)+$/u.test(name));
  // `stream` has server blocks too, without names; a proxy for TCP serves no folder.
  const isRedirect = block.some(({ words }) => words[0] === "return");
  const [certificate, key] = ["ssl_certificate", "ssl_certificate_key"].map((name) =>
    valueOf(block, name),
  );
  const root = isRedirect || !listensPlainly(block) ? undefined : rootOf(block, outer);
  return names.length === 0 ? [] : [{ names, root, certificate, key, file }];
}

function listensPlainly(block: readonly Directive[]): boolean {
  const listening = block.filter(({ words }) => words[0] === "listen");
  return listening.length === 0 || listening.some(({ words }) => !words.includes("ssl"));
}

/** A location of its own for the challenges goes before all others. */
function rootOf(block: readonly Directive[], outer: string | undefined): string | undefined {
  const inLocation = (path: RegExp) =>
    block.flatMap(({ words, block: inner = [] }) =>
      words[0] === "location" && path.test(words.at(-1) ?? "")
        ? (valueOf(inner, "root") ?? [])
        : [],
    )[0];
  return inLocation(/^\/\.well-known/u) ?? inLocation(/^\/$/u) ?? valueOf(block, "root") ?? outer;
}

function valueOf(directives: readonly Directive[], name: string): string | undefined {
  const value = directives.find(({ words }) => words[0] === name)?.words[1];
  // A variable is known only to nginx.
  return value?.includes("$") === true ? undefined : value;
}
