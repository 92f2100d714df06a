/** Which question comes next: data in, data out. */
import {
  embeddedCa,
  isForTesting,
  type Preset,
  presetOf,
  presets,
  resolveServer,
} from "../acme/presets.ts";
import { readEmail } from "../acme/registration.ts";
import { isReference } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { Answers, Key } from "./answers.ts";
import type { Question } from "./conversation.ts";
import { type Known, namesIn, serverOf } from "./known.ts";
import { folderQuestion, placementQuestion, reloadQuestion } from "./placement.ts";
import { credentialOf, proofQuestion } from "./proof.ts";

/** The answers that count, and the first question without one; no question when all is known. */
export function progressOf(known: Known): {
  readonly answers: Answers;
  readonly next?: { readonly key: Key; readonly question: Question };
} {
  let answers: Answers = {};
  for (const [key, ask] of questions) {
    // Of kept answers, those do not count that an option of this command line replaces, or that are not possible now.
    const question = ask({ ...known, answers });
    if (question === undefined) continue;
    const answer = known.answers[key];
    if (!isAnswer(answer, question)) return { answers, next: { key, question } };
    answers = { ...answers, [key]: answer };
  }
  return { answers };
}

function isAnswer(answer: string | boolean | undefined, question: Question): boolean {
  if (question.kind === "yes") return typeof answer === "boolean";
  if (typeof answer !== "string") return false;
  if (question.kind === "text") return question.check(answer) === undefined;
  return question.options.some(({ value }) => value === answer);
}

type Ask = (known: Known) => Question | undefined;

const questions: readonly (readonly [Key, Ask])[] = [
  ["domains", askDomains],
  ["server", askServer],
  ["directory", askDirectory],
  ["email", askEmail],
  ["agreeTos", askTerms],
  ["eabKid", (known) => askBinding(known, "eabKid")],
  ["eabHmac", (known) => askBinding(known, "eabHmac")],
  ["proof", proofQuestion],
  ["webroot", askWebroot],
  ["credential", askCredential],
  ["placement", placementQuestion],
  ["folder", folderQuestion],
  ["reload", reloadQuestion],
];

function askDomains({ given, findings, earlier }: Known): Question | undefined {
  if ((given.domains ?? given.csr) !== undefined) return undefined;
  const known = findings.servers.flatMap(({ sites }) => sites.flatMap(({ names }) => names));
  const names = [...new Set(known)];
  return {
    kind: "text",
    message: "Which names should the certificate have? (separated by commas)",
    note:
      names.length === 0 ? undefined : `Names in the servers' configuration: ${names.join(", ")}`,
    initial: earlier.domains,
    placeholder: names[0] ?? "example.com, www.example.com",
    check: (text) => complaint(() => namesIn(text)),
  };
}

function askServer({ given, earlier }: Known): Question | undefined {
  if ((given.server ?? given.staging) !== undefined) return undefined;
  const options = presets.map((preset) => {
    return { value: preset.name, label: preset.name, hint: hintOn(preset) };
  });
  const local = { value: embeddedCa, label: embeddedCa, hint: "part of acmectl, to try it" };
  const other = { value: "other", label: "another CA", hint: "by the URL of its directory" };
  const message = "Which certificate authority (CA) should issue it?";
  return {
    kind: "choice",
    message,
    options: [...options, other, local],
    initial: earlier.server ?? "letsencrypt",
  };
}

function hintOn({ name, url, demands }: Preset): string {
  const isTest = isForTesting(url);
  const what = isTest ? "for tests: browsers do not trust its certificates" : new URL(url).host;
  // ZeroSSL gives a binding to any email address.
  const isOpen = demands?.binding === undefined || name === "zerossl";
  return isOpen ? what : `${what}; requires an account on its website`;
}

function askDirectory({ answers, earlier }: Known): Question | undefined {
  if (answers.server !== "other") return undefined;
  return {
    kind: "text",
    message: "What is the URL of its ACME directory?",
    initial: earlier.directory,
    placeholder: "https://ca.example.com/acme/directory",
    check: (text) => complaint(() => resolveServer(text)),
  };
}

function askEmail(known: Known): Question | undefined {
  const { given, findings, earlier } = known;
  if (given.email !== undefined || findings.ca?.hasAccount === true) return undefined;
  const { demands } = presetOf(resolveServer(serverOf(known) ?? "letsencrypt")) ?? {};
  const isOptional = demands?.contact !== true;
  return {
    kind: "text",
    message: `Which email address may the CA write to?${isOptional ? " (empty for none)" : ""}`,
    initial: earlier.email,
    check: (text) =>
      isOptional && text.trim() === "" ? undefined : complaint(() => readEmail(text)),
  };
}

function askTerms({ given, findings: { ca } }: Known): Question | undefined {
  if (given.agreeTos === true || ca === undefined || ca.hasAccount) return undefined;
  return {
    kind: "yes",
    message: "Do you agree to the CA's terms of service?",
    note: ca.terms === undefined ? "The CA gives no link to them." : `They are at ${ca.terms}`,
    initial: false,
  };
}

function askBinding(
  { given, answers, findings: { ca }, earlier }: Known,
  key: "eabKid" | "eabHmac",
): Question | undefined {
  // ZeroSSL gives a binding to any email address.
  const isFetched =
    answers.server === "zerossl" && (answers.email !== "" || given.email !== undefined);
  if (given[key] !== undefined || ca?.bound !== true || ca.hasAccount || isFetched)
    return undefined;
  const where = ca.website === undefined ? "the CA's website" : ca.website;
  if (key === "eabKid")
    return {
      kind: "text",
      message: "What is the key identifier (EAB) of your account there?",
      note: `This CA requires an external account binding, which you get at ${where}`,
      initial: earlier.eabKid,
      check: (text) => (text.trim() === "" ? "Paste the key identifier." : undefined),
    };
  return {
    kind: "text",
    message: "Where is its HMAC key? (file:/path, env:NAME or cmd:program)",
    initial: earlier.eabHmac,
    placeholder: "file:/etc/acmectl/eab-hmac",
    check: reference,
  };
}

function askWebroot({ answers, earlier }: Known): Question | undefined {
  if (answers.proof !== "webroot") return undefined;
  return {
    kind: "text",
    message: "Which folder does the web server serve on port 80?",
    initial: earlier.webroot,
    placeholder: "/var/www/html",
    check: (text) => (text.startsWith("/") ? undefined : "Give an absolute path."),
  };
}

function askCredential({ answers, findings, earlier }: Known): Question | undefined {
  const { proof = "" } = answers;
  const credential = credentialOf(proof);
  if (credential === undefined) return undefined;
  // A solver of the config stays as it is, unless this conversation put it there.
  if (findings.configured.includes(proof) && earlier.credential === undefined) return undefined;
  const [variable] = findings.credentials[proof] ?? [];
  return {
    kind: "text",
    message: `Where is the ${credential.label}? (file:/path, env:NAME or cmd:program)`,
    note: "Renewals run without the variables of this shell, so a file that only root can read is best.",
    initial: earlier.credential ?? (variable === undefined ? undefined : `env:${variable}`),
    placeholder: `file:/etc/acmectl/${proof}-token`,
    check: reference,
  };
}

function reference(text: string): string | undefined {
  // A relative path would mean another file to a scheduled renewal.
  const isFixed = isReference(text) && !/^file:(?!\/)/u.test(text);
  return isFixed ? undefined : "Give file:/path (absolute), env:NAME or cmd:program args.";
}

/** What a reader of the program says of the text. */
function complaint(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (Problem.is(error)) return error.message;
    throw error;
  }
}
