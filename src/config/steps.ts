/** What a command or a deploy step of the config cannot be, beyond the types of its options. */
import type { NestedShape } from "./sections.ts";
import type { Fault } from "./yaml.ts";

/** `name` is where it stands. */
export function stepFault(
  name: string,
  step: Step,
  { oneOf = [] }: NestedShape,
): Omit<Fault, "keys"> | undefined {
  const said = oneOf.filter((option) => Object.hasOwn(step, option));
  if (oneOf.length > 0 && said.length !== 1) {
    const which = said.length === 0 ? "none of" : "more than one of";
    return {
      message: `${name} says ${which} ${oneOf.join(", ")}; a step is exactly one of them.`,
      hint: "Write one list element for each step.",
      ...(said.length === 0 ? { incomplete: true } : {}),
    };
  }
  const message = commandFault(name, step) ?? valueFault(name, step);
  return message === undefined ? undefined : { message };
}

type Step = Readonly<Record<string, unknown>>;

function commandFault(name: string, { run, shell, passEnv }: Step): string | undefined {
  if (passEnv !== undefined && run === undefined) {
    return `${name}: \`passEnv\` goes with \`run\`; no other step is given variables.`;
  }
  if (run !== undefined && !isCommand(run)) {
    return `${name} needs in \`run\` a text, or a list of a program and its arguments.`;
  }
  if (Array.isArray(run) && isTrue(shell)) {
    return `${name}: a shell takes one text in \`run\`, not a list.`;
  }
  return undefined;
}

function valueFault(name: string, { mode, probe }: Step): string | undefined {
  if (mode !== undefined && !/^"?0?[0-7]{3}"?$/u.test(JSON.stringify(mode))) {
    return `${name}.mode is ${JSON.stringify(mode)}; it takes octal such as 0640.`;
  }
  if (typeof probe !== "string" || /^(\[[\da-fA-F:.]+\]|[^:\s/[\]]+):\d{1,5}$/u.test(probe)) {
    return undefined;
  }
  return `${name}.probe is ${JSON.stringify(probe)}; it takes HOST:PORT, an IPv6 address in brackets.`;
}

function isTrue(value: unknown): boolean {
  return value === true || /^(true|yes|on|1)$/iu.test(String(value));
}

function isCommand(run: unknown): boolean {
  if (typeof run === "string") return run.trim() !== "";
  return Array.isArray(run) && run.length > 0 && run.every((word) => typeof word === "string");
}
