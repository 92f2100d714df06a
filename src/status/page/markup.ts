/** Text that is HTML; everything else is escaped where it meets it. */
export interface Markup {
  readonly html: string;
}

type Value = Markup | string | number | readonly Markup[];

/** A template whose values are escaped, unless they are markup themselves. */
export function markup(texts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return { html: String.raw({ raw: texts }, ...values.map(written)) };
}

function written(value: Value): string {
  if (typeof value === "string") return escape(value);
  if (typeof value === "number") return `${value}`;
  return "html" in value ? value.html : value.map((one) => one.html).join("");
}

const named: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Control characters, and those that change the direction of what follows, would let a text pose as another. */
function escape(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (one) => named[one] ?? "")
    .replaceAll(/(?!\n)[\p{Cc}\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu, "\uFFFD");
}
