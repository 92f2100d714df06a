/** Questions at a terminal. */
import { stderr } from "node:process";
import { cancel, confirm, intro, log, note, outro, select, text } from "@clack/prompts";
import { printable } from "../acme/text.ts";
import type { Context } from "../context.ts";
import { Problem } from "../problem.ts";

interface Asked {
  readonly message: string;
  /** What was found, shown before the question. */
  readonly note?: string | undefined;
}
/** One question, as data: the terminal shows it, tests read it. */
export type Question =
  | (Asked & {
      readonly kind: "text";
      readonly initial?: string | undefined;
      readonly placeholder?: string | undefined;
      /** What is wrong with the text; undefined if it is good. */
      readonly check: (text: string) => string | undefined;
    })
  | (Asked & {
      readonly kind: "choice";
      readonly options: readonly Choice[];
      readonly initial?: string | undefined;
    })
  | (Asked & { readonly kind: "yes"; readonly initial: boolean });
export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly hint?: string | undefined;
}

/** Tests answer by themselves. */
export interface Conversation {
  begin(title: string): void;
  /** Rejects with a Problem when the person leaves. */
  ask(question: Question): Promise<string | boolean>;
  /** Something to read, in a box below its title. */
  show(text: string, title: string): void;
  warn(text: string): void;
  end(text: string): void;
}

export function openConversation({ stdin, signal, env, redact }: Context): Conversation {
  // Nothing is drawn twice where the terminal cannot move its cursor, or a screen reader reads along.
  const isStatic = env["TERM"] === "dumb";
  const accessible = isStatic ? { accessible: true } : {};
  const common = { input: stdin, output: stderr, signal, ...accessible };
  const output = { output: stderr };
  return {
    begin: (title) => intro(title, output),
    async ask(question) {
      if (question.note !== undefined) log.info(question.note, output);
      const answer = await put(question, common);
      if (typeof answer !== "symbol") return answer;
      signal.throwIfAborted();
      cancel("Your answers are kept.", output);
      throw new Problem("interrupted", {
        detail: "You left the setup.",
        hint: "Run `acmectl setup` again to continue.",
        exitCode: 130,
      });
    },
    show: (text, title) => note(redact(text), title, output),
    warn: (text) => log.warn(printable(redact(text)), output),
    end: (text) => outro(text, output),
  };
}

interface Common {
  readonly input: Context["stdin"];
  readonly output: typeof stderr;
  readonly signal: AbortSignal;
  readonly accessible?: boolean;
}

async function put(question: Question, common: Common): Promise<string | boolean | symbol> {
  const { message } = question;
  if (question.kind === "yes")
    return confirm({ ...common, message, initialValue: question.initial });
  if (question.kind === "choice") {
    const options = question.options.map(({ value, label, hint = "" }) => ({ value, label, hint }));
    return select({ ...common, message, options, initialValue: question.initial ?? "" });
  }
  const { initial = "", placeholder = "", check } = question;
  const validate = (value = "") => check(value);
  return text({ ...common, message, initialValue: initial, placeholder, validate });
}
