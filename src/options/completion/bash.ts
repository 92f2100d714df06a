/** Completion in bash. */
import type { Offered } from "../declaration.ts";
import {
  type ShownCommand,
  type ShownFlag,
  firsts,
  groupCases,
  groupsOf,
  offersOf,
  quoted,
} from "./shown.ts";

/** For bash 4 and newer; needs no bash-completion. */
export function bash(commands: readonly ShownCommand[]): string {
  const values = valued(commands).map(
    ([flag, offers]) => `    ${flag}) _acmectl_offer ${bashOffer(offers)}; return ;;`,
  );
  return `# bash completion for acmectl
_acmectl() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} typed= words= one
  COMPREPLY=()
  [[ $word == = ]] && word= before=\${COMP_WORDS[COMP_CWORD-1]}
  [[ $before == = ]] && before=\${COMP_WORDS[COMP_CWORD-2]}
  case $before in
${values.join("\n")}
    ${pathFlags(commands).join("|")}) _acmectl_files; return ;;
  esac
  for one in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $one == -* ]] && break
    case \${typed:+$typed }$one in
${groupCases(commands)}
      ${commands.map(({ name }) => quoted(name)).join("|")}) typed=\${typed:+$typed }$one; break ;;
      *) break ;;
    esac
    typed=\${typed:+$typed }$one
  done
  case $typed in
    '') words=${quoted(firsts(commands).join(" "))} ;;
${wordCases(commands)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ $word == -* ]] && return
  case $typed in
${operandCases(commands)}
  esac
  [[ \${#COMPREPLY[@]} -eq 0 ]] && _acmectl_files
}
${helpers}complete -F _acmectl acmectl
`;
}

const helpers = `# Words, or what acmectl looks up: _acmectl_offer --offers certificates
_acmectl_offer() {
  local all=$* i line
  if [[ $1 == --offers ]]; then
    local at=("$2")
    for ((i = 1; i < COMP_CWORD - 1; i++)); do
      case \${COMP_WORDS[i]} in
        --state | --config) [[ \${COMP_WORDS[i+1]} == = ]] && at+=("\${COMP_WORDS[i]}" "\${COMP_WORDS[i+2]}") || at+=("\${COMP_WORDS[i]}" "\${COMP_WORDS[i+1]}") ;;
      esac
    done
    all=$(acmectl completion --offers "\${at[@]}" 2>/dev/null </dev/null)
  fi
  # Not by compgen -W, which would run what is in a word, such as $(…) in a key of the config.
  COMPREPLY=()
  while IFS= read -r line; do
    [[ -n $line && $line == "$word"* ]] && COMPREPLY+=("$line")
  done <<< "\${all// /$'\\n'}"
}
_acmectl_files() {
  mapfile -t COMPREPLY < <(compgen -f -- "$word")
  compopt -o filenames 2>/dev/null
}
`;

/** What may follow the words of a group or a command. */
function wordCases(commands: readonly ShownCommand[]): string {
  return [
    ...groupsOf(commands),
    ...commands.map(({ name, flags }) => [name, spellings(flags)] as const),
  ]
    .map(([name, all]) => `    ${quoted(name)}) words=${quoted(all.join(" "))} ;;`)
    .join("\n");
}

/** What the first argument of a command takes. */
function operandCases(commands: readonly ShownCommand[]): string {
  return commands
    .flatMap(({ name, arguments: [first] }) =>
      first?.offers === undefined
        ? []
        : `    ${quoted(name)}) _acmectl_offer ${bashOffer(first.offers)} ;;`,
    )
    .join("\n");
}

function bashOffer(offers: Offered | readonly string[]): string {
  return typeof offers === "string" ? `--offers ${offers}` : offers.join(" ");
}

/** Flags whose values are known, with them. The same flag takes the same values wherever it is typed. */
function valued(commands: readonly ShownCommand[]) {
  const flags = commands.flatMap((command) => command.flags);
  const values = new Map(
    flags.flatMap((flag) => {
      const offers = offersOf(flag);
      return offers === undefined ? [] : spellings([flag]).map((one) => [one, offers] as const);
    }),
  );
  return [...values];
}

function spellings(flags: readonly ShownFlag[]): readonly string[] {
  return flags.flatMap(({ long, short }) => (short === undefined ? [long] : [long, short]));
}

function pathFlags(commands: readonly ShownCommand[]): readonly string[] {
  const flags = commands.flatMap((command) => command.flags.filter(({ isPath }) => isPath));
  return [...new Set(spellings(flags))];
}
