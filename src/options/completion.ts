/** Completion scripts. Commands and flags are fixed at the time of printing; the values of paths are left to the shell. */

import type { FlagDescription, OptionDescription } from "./describe.ts";

export interface ShownCommand {
  /** `issue`, `account register`. */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly ShownFlag[];
}
export interface ShownFlag
  extends
    Pick<FlagDescription, "long" | "short" | "placeholder">,
    Pick<OptionDescription, "description" | "choices"> {
  readonly isPath: boolean;
}

/** For bash 4 and newer; needs no bash-completion. */
export function bash(commands: readonly ShownCommand[]): string {
  const words = [
    ...groupsOf(commands),
    ...commands.map(({ name, flags }) => [name, spellings(flags)] as const),
  ];
  const cases = words.map(
    ([name, all]) => `    ${quoted(name)}) words=${quoted(all.join(" "))} ;;`,
  );
  const values = valued(commands).map(
    ([flag, choices]) =>
      `    ${flag}) COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$word")); return ;;`,
  );
  return `# bash completion for acmectl
_acmectl() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} typed= words= one
  COMPREPLY=()
  case $before in
${values.join("\n")}
    ${pathFlags(commands).join("|")}) _acmectl_files "$word"; return ;;
  esac
  for one in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $one == -* ]] && break
    typed=\${typed:+$typed }$one
    case $typed in
${groupCases(commands)}
      *) break ;;
    esac
  done
  case $typed in
    '') words=${quoted(firsts(commands).join(" "))} ;;
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ $word != -* && \${#COMPREPLY[@]} -eq 0 ]] && _acmectl_files "$word"
}
_acmectl_files() {
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
  compopt -o filenames 2>/dev/null
}
complete -F _acmectl acmectl
`;
}

/** For zsh, as the file _acmectl in a folder of fpath. */
export function zsh(commands: readonly ShownCommand[]): string {
  const cases = commands.map(({ name, flags }) => {
    const specs = flags.flatMap(zshSpecs).map((spec) => `        ${quoted(spec)}`);
    return `      ${quoted(name)})\n        _arguments -s -S \\\n${specs.join(" \\\n")} \\\n        '*:: :_files'\n        ;;`;
  });
  const groups = [...groupsOf(commands)].map(([group, verbs]) => {
    const items = verbs.map((verb) => zshItem(verb, summaryOf(commands, `${group} ${verb}`)));
    return `      ${quoted(group)}) items=(${items.join(" ")}); _describe command items ;;`;
  });
  const items = firsts(commands).map((first) => zshItem(first, summaryOf(commands, first)));
  return `#compdef acmectl
_acmectl() {
  local -a items
  local typed=
  while (( CURRENT > 2 )) && [[ $words[2] != -* ]]; do
    typed=\${typed:+$typed }$words[2]
    shift words
    (( CURRENT-- ))
    case $typed in
${groupCases(commands)}
      *) break ;;
    esac
  done
  case $typed in
      '') items=(${items.join(" ")}); _describe command items ;;
${[...groups, ...cases].join("\n")}
  esac
}
if [ "$funcstack[1]" = _acmectl ]; then _acmectl "$@"; else compdef _acmectl acmectl; fi
`;
}

/** For fish 3 and newer. */
export function fish(commands: readonly ShownCommand[]): string {
  const groups = groupsOf(commands);
  const top = firsts(commands).map(
    (first) =>
      `complete -c acmectl -n __fish_use_subcommand -f -a ${first} -d ${quoted(summaryOf(commands, first))}`,
  );
  const verbs = [...groups].flatMap(([group, all]) =>
    all.map(
      (verb) =>
        `complete -c acmectl -n '__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${all.join(" ")}' -f -a ${verb} -d ${quoted(summaryOf(commands, `${group} ${verb}`))}`,
    ),
  );
  const flags = commands.flatMap(({ name, flags }) => {
    const seen = name.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
    return flags.map(
      (flag) => `complete -c acmectl -n ${quoted(seen.join("; and "))}${fishFlag(flag)}`,
    );
  });
  return `# fish completion for acmectl\n${[...top, ...verbs, ...flags].join("\n")}\n`;
}

function fishFlag({ long, short, description, placeholder, choices, isPath }: ShownFlag): string {
  const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
  const value = placeholder ? ` -r${isPath ? " -F" : " -f"}` : "";
  const offered = choices.length === 0 ? "" : ` -a ${quoted(choices.join(" "))}`;
  return ` -l ${long.slice(2)}${letter}${value}${offered} -d ${quoted(description)}`;
}

function zshSpecs({ long, short, description, placeholder, choices, isPath }: ShownFlag): string[] {
  const text = description.replaceAll(/[[\]:\\]/g, String.raw`\$&`);
  const action = choices.length > 0 ? `(${choices.join(" ")})` : isPath ? "_files" : " ";
  const value = placeholder ? `:value:${action}` : "";
  const letter = short === undefined ? [] : [`*${short}[${text}]${value}`];
  return [...letter, `*${long}${placeholder ? "=" : ""}[${text}]${value}`];
}

function zshItem(word: string, summary: string): string {
  return quoted(`${word}:${summary.replaceAll(":", String.raw`\:`)}`);
}

/** Group → its verbs: `account` → `register`, `show`. */
function groupsOf(commands: readonly ShownCommand[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const { name } of commands) {
    const [group = "", verb] = name.split(" ");
    if (verb !== undefined) groups.set(group, [...(groups.get(group) ?? []), verb]);
  }
  return groups;
}

function groupCases(commands: readonly ShownCommand[]): string {
  return [...groupsOf(commands).keys()].map((group) => `      ${quoted(group)}) ;;`).join("\n");
}

function firsts(commands: readonly ShownCommand[]): readonly string[] {
  return [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? name))];
}

function summaryOf(commands: readonly ShownCommand[], name: string): string {
  const verbs = groupsOf(commands).get(name);
  return commands.find((command) => command.name === name)?.summary ?? verbs?.join(", ") ?? "";
}

function spellings(flags: readonly ShownFlag[]): readonly string[] {
  return flags.flatMap(({ long, short }) => (short === undefined ? [long] : [long, short]));
}

/** Flags whose values are known, with them. The same flag takes the same values wherever it is typed. */
function valued(commands: readonly ShownCommand[]) {
  const flags = commands.flatMap((command) => command.flags);
  const values = new Map(flags.map(({ long, choices }) => [long, choices]));
  return [...values].filter(([, choices]) => choices.length > 0);
}

function pathFlags(commands: readonly ShownCommand[]): readonly string[] {
  const flags = commands.flatMap((command) => command.flags.filter(({ isPath }) => isPath));
  return [...new Set(spellings(flags))];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
