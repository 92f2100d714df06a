/** Which question comes next: data in, data out. */
import { parseIdentifiers } from "../acme/identifiers.ts";
import { embeddedCa, presets, resolveServer } from "../acme/presets.ts";
import { readEmail } from "../acme/registration.ts";
import { isReference } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { Key, Question } from "./answers.ts";
import type { Known } from "./known.ts";
import { credentialOf, folderQuestion, placementQuestion, reloadQuestion } from "./placement.ts";
import { proofQuestion } from "./proof.ts";

/** The first question without an answer that has to be asked; undefined when all is known. */
export function nextQuestion(known: Known): { key: Key; question: Question } | undefined {
  for (const [key, ask] of questions) {
    if (known.answers[key] !== undefined) continue;
    const question = ask(known);
    if (question !== undefined) return { key, question };
  }
  return undefined;
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

function askDomains({ given, findings, before }: Known): Question | undefined {
  if ((given.domains ?? given.csr) !== undefined) return undefined;
  const known = findings.servers.flatMap(({ sites }) => sites.flatMap(({ names }) => names));
  const names = [...new Set(known)];
  return {
    kind: "text",
    message: "Which names should the certificate have? (separated by commas)",
    note:
      names.length === 0 ? undefined : `Names in the servers' configuration: ${names.join(", ")}`,
    initial: before.domains,
    placeholder: names[0] ?? "example.com, www.example.com",
    check: (text) => complaint(() => parseIdentifiers(text.split(","))),
  };
}

function askServer({ given, before }: Known): Question | undefined {
  if ((given.server ?? given.staging) !== undefined) return undefined;
  const options = presets.map(({ name, url, demands }) => ({
    value: name,
    label: name,
    hint:
      demands?.binding === undefined
        ? new URL(url).host
        : `${new URL(url).host}; requires an account on its website`,
  }));
  const local = { value: embeddedCa, label: embeddedCa, hint: "part of acmectl, to try it" };
  const other = { value: "other", label: "another CA", hint: "by the URL of its directory" };
  const message = "Which certificate authority (CA) should issue it?";
  return {
    kind: "choice",
    message,
    options: [...options, other, local],
    initial: before.server ?? "letsencrypt",
  };
}

function askDirectory({ answers, before }: Known): Question | undefined {
  if (answers.server !== "other") return undefined;
  return {
    kind: "text",
    message: "What is the URL of its ACME directory?",
    initial: before.directory,
    placeholder: "https://ca.example.com/acme/directory",
    check: (text) => complaint(() => resolveServer(text)),
  };
}

function askEmail({ given, findings: { ca }, before }: Known): Question | undefined {
  if (given.email !== undefined || ca?.hasAccount === true) return undefined;
  return {
    kind: "text",
    message: "Which email address may the CA write to? (empty for none)",
    initial: before.email,
    check: (text) => (text.trim() === "" ? undefined : complaint(() => readEmail(text.trim()))),
  };
}

function askTerms({ given, findings: { ca } }: Known): Question | undefined {
  if (given.agreeTos === true || ca === undefined || ca.hasAccount) return undefined;
  return {
    kind: "yes",
    message: "Do you agree to the CA's terms of service?",
    note: ca.terms === undefined ? "The CA shows no link to them." : `They are at ${ca.terms}`,
    initial: false,
  };
}

function askBinding(
  { given, answers, findings: { ca }, before }: Known,
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
      initial: before.eabKid,
      check: (text) => (text.trim() === "" ? "Paste the key identifier." : undefined),
    };
  return {
    kind: "text",
    message: "Where is its HMAC key? (file:/path, env:NAME or cmd:program)",
    initial: before.eabHmac,
    placeholder: "file:/etc/acmectl/eab-hmac",
    check: reference,
  };
}

function askWebroot({ answers, before }: Known): Question | undefined {
  if (answers.proof !== "webroot") return undefined;
  return {
    kind: "text",
    message: "Which folder does the web server serve on port 80?",
    initial: before.webroot,
    placeholder: "/var/www/html",
    check: (text) => (text.startsWith("/") ? undefined : "Give an absolute path."),
  };
}

function askCredential({ answers, findings, before }: Known): Question | undefined {
  const credential = credentialOf(answers.proof);
  if (credential === undefined) return undefined;
  const [variable] = findings.credentials[answers.proof ?? ""] ?? [];
  return {
    kind: "text",
    message: `Where is the ${credential.label}? (file:/path, env:NAME or cmd:program)`,
    note: "Renewals run without the variables of this shell, so a file that only root can read is best.",
    initial: before.credential ?? (variable === undefined ? undefined : `env:${variable}`),
    placeholder: `file:/etc/acmectl/${answers.proof ?? "dns"}-token`,
    check: reference,
  };
}

function reference(text: string): string | undefined {
  return isReference(text) ? undefined : "Give file:/path, env:NAME or cmd:program args.";
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
