/** Replaces registered secrets by `***` in all output, in their usual encodings too. */

export interface Mask {
  /** From now on this secret is hidden. Texts of fewer than four characters are not: they occur in ordinary words. */
  readonly add: (secret: string) => void;
  readonly text: (text: string) => string;
  /** The same value as plain JSON, every text in it masked, keys included. */
  readonly value: (value: unknown) => unknown;
}

const shortest = 4;

/** An empty mask. */
export function openMask(): Mask {
  const forms = new Set<string>();
  let pattern: RegExp | undefined;
  const text = (text: string) => {
    if (forms.size === 0) return text;
    pattern ??= patternOf(forms);
    return withoutCutSecrets(text.replaceAll(pattern, "***"), forms);
  };
  return {
    add(secret) {
      for (const form of formsOf(secret)) forms.add(form);
      pattern = undefined;
    },
    text,
    value: (value) => plain(value, text, []),
  };
}

function patternOf(forms: ReadonlySet<string>): RegExp {
  // The longest first, so that a secret that contains another one is hidden whole.
  const longestFirst = [...forms].toSorted((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map(literally).join("|"), "gu");
}

/** RegExp.escape, which Node 22 lacks. */
function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
}

/** A text that was cut before it came here may end with the beginning of a secret: `…hQ2x…`. */
function withoutCutSecrets(text: string, forms: ReadonlySet<string>): string {
  if (!/…|\.\.\./u.test(text)) return text;
  return text.replaceAll(/\S+?(?=…|\.\.\.)/gu, (word) => {
    const lengths = Array.from(forms, (form) => cutLength(word, form));
    const longest = Math.max(0, ...lengths);
    return longest < shortestCut ? word : `${word.slice(0, -longest)}***`;
  });
}

const shortestCut = 6;

/** How many characters at the end of `text` are the beginning of `form`. */
function cutLength(text: string, form: string): number {
  let length = Math.min(text.length, form.length - 1);
  while (length >= shortestCut && !text.endsWith(form.slice(0, length))) length -= 1;
  return length;
}

function formsOf(secret: string): readonly string[] {
  const whole = secret.trim();
  // Single lines of a key (PEM, a JSON credential) may be quoted.
  const lines = whole
    .split(/\r?\n/u)
    .map((line) => line.trim())
    .filter((line) => line.length >= 20 && !line.startsWith("-----"));
  return [whole, ...lines].filter((form) => form.length >= shortest).flatMap(encodingsOf);
}

function encodingsOf(secret: string): readonly string[] {
  const base64 = [0, 1, 2].flatMap((offset) => base64At(secret, offset));
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(Buffer.from(secret).toString()),
    new URLSearchParams({ "": secret }).toString().slice(1),
    ...base64,
  ];
}

/**
 * The base64 of a secret at the offset `offset` (mod 3) of a text, such as the password in `Basic` credentials, without the
 * characters that depend on its neighbours.
 */
function base64At(secret: string, offset: number): readonly string[] {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]);
  const start = Math.ceil((offset * 8) / 6);
  const end = Math.floor((bytes.length * 8) / 6);
  const form = bytes.toString("base64").slice(start, end);
  if (form.length < 8) return [];
  return [form, form.replaceAll("+", "-").replaceAll("/", "_")];
}

function plain(value: unknown, mask: (text: string) => string, above: readonly object[]): unknown {
  if (typeof value === "string") return mask(value);
  if (typeof value === "bigint") return mask(value.toString());
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null) return value;
  if (above.includes(value)) return "(circular)";
  return plainObject(value, mask, [...above, value]);
}

function plainObject(
  value: object,
  mask: (text: string) => string,
  above: readonly object[],
): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Error) return mask(value.message);
  if (value instanceof Uint8Array) return mask(Buffer.from(value).toString("base64"));
  if (Array.isArray(value)) return value.map((item) => plain(item, mask, above) ?? null);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, item]) => [mask(String(key)), plain(item, mask, above)]),
  );
}
