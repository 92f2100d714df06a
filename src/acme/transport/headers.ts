/** Readers of the HTTP header fields that ACME uses. */

/** Header fields of an answer: lower-case names, repeated fields joined by a comma. */
export type Headers = Readonly<Record<string, string>>;

const longestWait = 7 * 24 * 3600 * 1000;

/**
 * When the server wants to be asked again (`Retry-After`, RFC 9110 §10.2.3): seconds or a date. A date is read on the
 * server's own clock. At most seven days, the longest window of a rate limit; undefined for anything that does not parse.
 */
export function retryAfter(headers: Headers, now: Date): Date | undefined {
  const text = headers["retry-after"]?.trim();
  if (text === undefined) return undefined;
  const wait = /^\d{1,15}$/.test(text) ? Number(text) * 1000 : untilDate(text, headers, now);
  if (wait === undefined) return undefined;
  return new Date(now.getTime() + Math.min(Math.max(wait, 0), longestWait));
}

/** The end of a rate limit that only the words of the CA have, as those of Let's Encrypt: "retry after 2026-11-30 08:00:00 UTC". */
export function retryAfterIn(
  text: string | undefined,
  headers: Headers,
  now: Date,
): Date | undefined {
  const [, day, time] =
    /after (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)? ?(?:UTC|Z|[+]00:?00)/i.exec(
      text ?? "",
    ) ?? [];
  const date = day === undefined ? undefined : new Date(`${day}T${time}Z`);
  if (date === undefined || Number.isNaN(date.getTime())) return undefined;
  const wait = date.getTime() - serverTime(headers, now).getTime();
  return wait > 0 ? new Date(now.getTime() + Math.min(wait, longestWait)) : undefined;
}

function untilDate(text: string, headers: Headers, now: Date): number | undefined {
  const until = httpDate(text);
  return until && until.getTime() - serverTime(headers, now).getTime();
}

/** The server's clock when it answered; ours if it does not say. A cache reports the age of its copy. */
export function serverTime(headers: Headers, now: Date): Date {
  const date = httpDate(headers["date"]);
  const age = /^\d{1,9}$/.test(headers["age"] ?? "") ? Number(headers["age"]) * 1000 : 0;
  return date === undefined ? now : new Date(date.getTime() + age);
}

/** An HTTP date (RFC 9110 §5.6.7), or undefined. */
export function httpDate(text: string | undefined): Date | undefined {
  if (text === undefined || !/^[A-Z][a-z]+,? .*\d{4}|^[A-Z][a-z]+, \d{2}-/.test(text))
    return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Targets of `Link` fields with this relation (RFC 8288), resolved against the URL that was asked. */
export function links(headers: Headers, relation: string, base: string): string[] {
  const fields = (headers["link"] ?? "").matchAll(linkField);
  return [...fields].flatMap(([, target = "", parameters = ""]) => {
    const url = relationsIn(parameters).includes(relation) ? URL.parse(target, base) : null;
    return url === null ? [] : [url.href];
  });
}

/** `<target>` and its parameters; a comma inside of quotes does not end them. */
const linkField = /<([^<>]{1,2048})>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]+))?)*)/g;

function relationsIn(parameters: string): string[] {
  const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;"]+))/i.exec(parameters);
  return (rel?.[1] ?? rel?.[2] ?? "").toLowerCase().split(/\s+/);
}
