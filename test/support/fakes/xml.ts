/** As much XML as Route 53 speaks: elements and text, no attributes but xmlns. */

export interface Element {
  readonly name: string;
  readonly text: string;
  readonly children: readonly Element[];
}

export function parseXml(xml: string): Element {
  const root = { name: "", text: "", children: [] as Element[] };
  const open: { name: string; text: string; children: Element[] }[] = [root];
  for (const [token, slash, name, empty] of xml.matchAll(
    /<\?[^>]*>|<(\/?)([\w-]+)[^>]*?(\/?)>|[^<]+/g,
  )) {
    const current = open.at(-1);
    if (current === undefined) throw new SyntaxError("more ends than starts");
    if (name === undefined) current.text += token.startsWith("<?") ? "" : unescape(token);
    else if (slash === "/") {
      if (current.name !== name) throw new SyntaxError(`</${name}> ends <${current.name}>`);
      open.pop();
    } else {
      const element = { name, text: "", children: [] };
      current.children.push(element);
      if (empty !== "/") open.push(element);
    }
  }
  const [document] = root.children;
  if (open.length !== 1 || document === undefined) throw new SyntaxError("not one whole element");
  return document;
}

export function child(element: Element | undefined, name: string): Element | undefined {
  return element?.children.find((one) => one.name === name);
}

export function childText(element: Element | undefined, name: string): string | undefined {
  return child(element, name)?.text;
}

export function tag(name: string, content: string | number | boolean | undefined): string {
  return content === undefined ? "" : `<${name}>${content}</${name}>`;
}

export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function unescape(text: string): string {
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return named[name] ?? whole;
  });
}
