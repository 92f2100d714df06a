/** `npm run bench:fleet [-- COUNT]`: a simulated year of a million certificates of 45 days. Fails if one expires or a limit is passed. */
import { markdownTable } from "../support/markdown.ts";
import { day, simulate } from "./fleet.ts";

const certificates = Number(process.argv[2] ?? 1_000_000);
const began = performance.now();
const year = await simulate(
  {
    certificates,
    days: 365,
    lifetime: 45 * day,
    perSecond: (certificates / 1_000_000) * 8,
    outage: [100, 101],
    revocation: { day: 200, share: 0.2, within: day },
    failing: 0.01,
  },
  Math.random,
);
const rows = year.months.map(({ renewals, backlog, hourly, left }, index) => [
  `${index * 30}–${Math.min(365, index * 30 + 30)}`,
  renewals.toLocaleString("en"),
  hourly.toLocaleString("en"),
  backlog.toLocaleString("en"),
  (left / day).toFixed(1),
]);
const head = [
  "days",
  "renewals",
  "most in an hour",
  "most waiting",
  "least that was left, in days",
];
console.log(markdownTable(head, rows));
const { expired, revoked, refused } = year;
console.log(
  `\n${expired} expired, ${revoked} in use after they were revoked, ${refused} refused by a limit; ${Math.round((performance.now() - began) / 1000)} s, ${Math.round(process.memoryUsage().rss / 1e6)} MB`,
);
if (expired + revoked + refused > 0) process.exitCode = 1;
