/** All certificates as one page of HTML that needs no script and loads nothing: for a browser, an intranet, a mail. */
import { dateFrom, dateOf, timeFrom } from "../../dates.ts";
import type { BrokenCertificate } from "../../state/store.ts";
import type { Certificates, KnownCertificate } from "../certificates.ts";
import { hasFailed, stateOf } from "../conditions.ts";
import { hostsOf } from "../hosts.ts";
import { lifetimeOfCertificate, type Lifetime, toneOf } from "../lifetime.ts";
import { markup, type Markup } from "./markup.ts";
import { style } from "./style.ts";

export function statusPage(
  { certificates, broken }: Certificates,
  where: string,
  now: Date,
): string {
  const sorted = certificates
    .map((one) => ({ one, lifetime: lifetimeOfCertificate(one, now) }))
    .toSorted((a, b) => (a.lifetime?.due ?? 0) - (b.lifetime?.due ?? 0));
  const failed = failing(certificates).length + broken.length;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Certificates of ${where}</title>
<style>${{ html: style }}</style>
</head>
<body>
<header><h1>Certificates</h1>
<p>${certificates.length + broken.length} certificates of <code>${where}</code>, ${failed} of them with failures. As of <time datetime="${now.toISOString()}">${dateOf(now)}</time>.</p></header>
<main>
${failures(certificates, broken, now)}
<section aria-labelledby="due"><h2 id="due">Due when</h2>
<table class="rows"><caption>Sorted by when they are due for renewal.</caption>
${columns(["Name", "Names", "Lifetime", "Due", "Expires", "State"])}
<tbody>${sorted.map(({ one, lifetime }) => row(one, lifetime, now))}</tbody></table></section>
${calendar(
  sorted.flatMap(({ lifetime }) => lifetime?.due ?? []),
  now,
)}
${hosts(certificates)}
</main>
</body>
</html>
`.html;
}

const columns = (names: readonly string[]) =>
  markup`<thead><tr>${names.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead>`;

const failing = (certificates: readonly KnownCertificate[]) =>
  certificates.filter(
    (one) => hasFailed(one) || hostsOf(one).some(({ failed }) => failed.length > 0),
  );

/** In the CA's own words. */
function failures(
  certificates: readonly KnownCertificate[],
  broken: readonly BrokenCertificate[],
  now: Date,
): Markup {
  const all = failing(certificates);
  if (all.length + broken.length === 0) return markup`<p class="good">No failures.</p>`;
  return markup`<section aria-labelledby="failures"><h2 id="failures">Failures</h2>
${all.map((one) => failure(one, now))}
${broken.map(({ name, problem }) => markup`<h3>${name}</h3><p class="bad">Its record cannot be read.</p><pre>${problem.message}</pre>`)}
</section>`;
}

function failure(certificate: KnownCertificate, now: Date): Markup {
  const { name } = certificate;
  const steps = hostsOf(certificate).flatMap(({ host, failed }) =>
    failed.map(
      ({ step, detail = "it failed" }) =>
        markup`<p class="bad">${step} on ${host}</p><pre>${detail}</pre>`,
    ),
  );
  const attempt = hasFailed(certificate) ? [attemptOf(certificate, now)] : [];
  return markup`<h3>${name}</h3>${attempt}${steps}`;
}

function attemptOf({ status }: KnownCertificate, now: Date): Markup {
  const { problem, startedAt } = status.lastAttempt ?? {};
  const when = startedAt === undefined ? "" : `, ${timeFrom(now, new Date(startedAt))}`;
  return markup`<p class="bad">${problem?.title ?? "The last attempt failed"}${when}</p>
<pre>${problem?.detail ?? ""}</pre><p>${problem?.hint ?? ""}</p>`;
}

function row(certificate: KnownCertificate, lifetime: Lifetime | undefined, now: Date): Markup {
  const { name, request, held } = certificate;
  const names = (held?.meta.identifiers ?? request.identifiers)
    .map(({ value }) => value)
    .join(", ");
  const due = lifetime === undefined ? "-" : dateFrom(now, new Date(lifetime.due));
  const end = held === undefined ? "-" : dateFrom(now, held.meta.notAfter);
  const drawn = lifetime === undefined ? "-" : bar(lifetime, due, end);
  return markup`<tr><th scope="row">${name}</th><td>${names}</td><td>${drawn}</td><td>${due}</td><td>${end}</td><td class="${toneOf(certificate, now)}">${stateOf(certificate, now)}</td></tr>
`;
}

/** What has passed, what is left, and in it the time in which it is renewed. */
function bar({ from, to, due, now, tone }: Lifetime, dueText: string, end: string): Markup {
  const at = (time: number) =>
    Math.round(Math.min(1, Math.max(0, (time - from) / (to - from))) * 1000) / 10;
  const [passed, renewal] = [at(now), at(due)];
  const label = `${passed} % passed; due ${dueText}; expires ${end}`;
  return markup`<svg class="${tone}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="${label}"><rect x="0" y="3" width="100" height="2" opacity=".3"/><rect x="${renewal}" y="1" width="${100 - renewal}" height="6" opacity=".3"/><rect x="0" y="2" width="${passed}" height="4"/></svg>`;
}

const day = 86_400_000;
const days = 90;

function calendar(dues: readonly number[], now: Date): Markup {
  const dayOf = (time: number) =>
    new Date(Math.max(time, now.getTime())).toISOString().slice(0, 10);
  const soon = dues.filter((due) => due < now.getTime() + days * day);
  const entries = [...Map.groupBy(soon, dayOf)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return markup``;
  return markup`<section aria-labelledby="calendar"><h2 id="calendar">Renewals per day</h2>
<p class="dim">In the next ${days} days; what is overdue counts for today.</p>
<ol class="calendar">${entries.map(([date, all]) => markup`<li><b>${all.length}</b><time datetime="${date}">${date}</time></li>`)}</ol></section>`;
}

function hosts(certificates: readonly KnownCertificate[]): Markup {
  const all = certificates.flatMap((one) =>
    hostsOf(one).map((host) => ({ ...host, name: one.name, held: one.held?.version })),
  );
  if (all.length === 0) return markup``;
  const rows = all.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)).map(hostRow);
  return markup`<section aria-labelledby="hosts"><h2 id="hosts">Hosts</h2>
<table class="rows">${columns(["Host", "Certificate", "Serves version", "Since", "State"])}
<tbody>${rows}</tbody></table></section>`;
}

const key = ({ host, name }: { host: string; name: string }) => JSON.stringify([host, name]);

function hostRow({
  host,
  name,
  serves,
  behind,
  held,
  failed,
}: ReturnType<typeof hostsOf>[number] & { name: string; held: number | undefined }): Markup {
  const since = serves === undefined ? "-" : dateOf(serves.since);
  const [tone, state] =
    failed.length > 0
      ? ["bad", "a deploy step failed"]
      : behind
        ? ["warn", "behind"]
        : ["good", "current"];
  return markup`<tr><th scope="row">${host}</th><td>${name}</td><td>${serves?.version ?? "-"} of ${held ?? "-"}</td><td>${since}</td><td class="${tone}">${state}</td></tr>
`;
}
