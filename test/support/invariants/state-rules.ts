import { isRecord } from "../../../src/json.ts";
import type { Rule, RunSeen } from "./rule.ts";
import { faultOfVersion, jsonIn, metaOf, namesHeld, textsOf, type StateSeen } from "./state.ts";
import { join } from "node:path";

/** What must be true of the state folder after every run, killed or not. */
export const stateRules = {
  "current is a matching pair": ({ before, after }) =>
    [...after.current].flatMap(([folder, version]) => {
      if (before.current.get(folder) === version) return [];
      const fault = faultOfVersion(after.root, folder, version);
      return fault === undefined ? [] : [`version ${version} of ${folder} ${fault}`];
    }),
  "current never goes back": ({ before, after, words }) =>
    [...before.current].flatMap(([folder, version]) => {
      const now = after.current.get(folder);
      if (now !== undefined && now >= version) return [];
      // Removed by the user, or useless before.
      if (words[0] === "delete" || faultOfVersion(after.root, folder, version) !== undefined)
        return [];
      return [`${folder} had version ${version} and has ${now ?? "none"}`];
    }),
  "an unfinished order is kept": keptOrders,
  "only the owner reads the state": ({ before, after }) =>
    [...after.modes].flatMap(([path, mode]) => {
      if (before.modes.get(path) === mode) return [];
      // A key keeps the group that an administrator gave to the version before.
      const usual = path.endsWith(".pem") ? 0o640 : 0o700;
      const allowed = /key[^/]*\.pem$/.test(path) ? usual : usual | modeBefore(path, before);
      return !ours.test(path) || (mode & ~allowed) === 0
        ? []
        : [`${path} has the mode ${mode.toString(8)}`];
    }),
  "nothing temporary is left": (run) => {
    if (run.code === null || !run.alone) return [];
    const left = [...run.after.modes.keys()].filter((path) => isTemporary(path));
    return left.filter((path) => !run.before.modes.has(path)).map((path) => `${path} is left`);
  },
  "no challenge is left": ({ code, words, alone, after, before, stderr }) => {
    const mayPresent = ["issue", "renew", "apply"].includes(words[0] ?? "");
    if (!mayPresent || !alone || (code !== 0 && code !== 9 && code !== 10)) return [];
    return [...after.pending].flatMap(([file, { presented, name }]) => {
      if (presented === 0 || presented === before.pending.get(file)?.presented) return [];
      return /could not clean up/.test(stderr) ? [] : [`${presented} of ${name} in ${file}`];
    });
  },
  "exit code 0 means that the goal is met": (run) => [...goalOfIssue(run), ...failedSilently(run)],
} satisfies Record<string, Rule>;

/** Tests put files of their own beside these. */
const ours = /^(accounts|answers|certificates|pending|locks|solvers|hooks|ledger|test-ca)(\/|$)/;

/** An administrator may have given a version to others; the next one keeps that. */
function modeBefore(path: string, { modes }: StateSeen): number {
  const place = (one: string) => one.replace(/versions\/\d+/, "versions");
  const found = [...modes].filter(([other]) => place(other) === place(path));
  return found.reduce((all, [, mode]) => all | mode, 0);
}

function isTemporary(path: string): boolean {
  return /(^|\/)\.[^/]*(tmp|removed|probe)-[^/]*$|^locks\/[^/]+$/.test(path);
}

/** RFC 8555 does not let a client list its orders at most CAs: an order whose URL is lost cannot be found again. */
function keptOrders({ before, after, words, ca, alone }: RunSeen): readonly string[] {
  const isGivenUp = ["delete", "--new-order"].some((word) => words.includes(word));
  if (isGivenUp || !alone) return [];
  return [...before.pending].flatMap(([file, order]) => {
    const { orderUrl, csr, privateKey, name } = order;
    const last = after.pending.get(file);
    const elsewhere = last?.others.find((one) => one.orderUrl === orderUrl);
    const now = elsewhere ?? last;
    if (orderUrl === undefined || isHeld(orderUrl, after)) return [];
    if (now?.orderUrl === orderUrl) {
      const isWhole = now.csr === csr && now.privateKey === privateKey;
      return isWhole || csr === undefined ? [] : [`the key of ${orderUrl} for ${name} is gone`];
    }
    const request = jsonIn(
      join(after.root, "certificates", file.replace(/\.json$/, ""), "certificate.json"),
    );
    const isSameCa = now?.directory === order.directory;
    if (now !== undefined && isSameCa && now.requestHash !== order.requestHash) return [];
    if (now !== undefined && now.accountId !== order.accountId) return [];
    if (request === undefined || ca === undefined) return [];
    const answers = ca.asked.filter(({ path }) => orderUrl.endsWith(path));
    const isGone = answers.some(({ status = 0, answer, time }) => {
      if ([401, 403, 404, 410].includes(status)) return isRecord(answer);
      if (!isRecord(answer)) return false;
      const { status: state, expires } = answer;
      // Without the CSR's key the certificate would be of no use.
      if (csr === undefined && (state === "valid" || state === "processing")) return true;
      return state === "invalid" || (typeof expires === "string" && new Date(expires) <= time);
    });
    return isGone ? [] : [`${orderUrl} for ${name}, and the CA did not say that it is gone`];
  });
}

function isHeld(orderUrl: string, { root, modes }: StateSeen): boolean {
  const texts = textsOf({ root, modes } as StateSeen, (path) =>
    /(meta|refused).*\.json$/.test(path),
  );
  return [...texts.values()].some((text) => text.includes(JSON.stringify(orderUrl)));
}

/** `issue` ends with 0 exactly when the names it was given are held. */
function goalOfIssue({ words, code, alone, before, after }: RunSeen): readonly string[] {
  const isIssue =
    words[0] === "issue" && !words.some((word) => /^(--dry-run|--check$|--help|-h)/.test(word));
  if (!isIssue || code === null) return [];
  const changed = [...after.current].filter(
    ([folder, version]) => before.current.get(folder) !== version,
  );
  const isDone = code === 0 || code === 9 || code === 10;
  const isTemporaryOnly = changed.every(
    ([folder, version]) => metaOf(after.root, folder, version)["temporary"] === true,
  );
  const mayCommit = isDone || code === 3 || code > 128;
  if (!mayCommit && !alone) return [];
  if (!mayCommit)
    return isTemporaryOnly ? [] : [`exit code ${code}, and ${changed.join()} changed`];
  // A certificate that is kept elsewhere may be good enough.
  if (!isDone || words.includes("--current-cert")) return [];
  const names = words.flatMap((word, index) =>
    /^(-d|--domains?)$/.test(words[index - 1] ?? "") ? word.toLowerCase().split(",") : [],
  );
  const each = [...after.current.keys()].map((folder) => namesHeld(after.root, folder));
  // Each part of a certificate that is split has some of the names.
  const isMet = (words.includes("--split") ? [each.flat()] : each).some((held) => {
    return names.every((name) => /[^\w.*-]/.test(name) || held.includes(name.trim()));
  });
  return isMet ? [] : [`exit code ${code}, and no certificate for ${names.join()} is held`];
}

/** No attempt of a run that reports success has failed. */
function failedSilently({ code, before, after }: RunSeen): readonly string[] {
  if (code !== 0) return [];
  return [...after.attempts].flatMap(([folder, attempt]) => {
    const isFailure = /"outcome":"failed"/.test(attempt) && before.attempts.get(folder) !== attempt;
    return isFailure ? [`exit code 0, and the last attempt for ${folder} failed`] : [];
  });
}
