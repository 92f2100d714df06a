/** Completion in zsh. */
import type { Offered } from "../declaration.ts";
import {
  type ShownCommand,
  type ShownFlag,
  firsts,
  groupCases,
  groupsOf,
  offersOf,
  quoted,
  summaryOf,
} from "./shown.ts";

/** For zsh, as the file _acmectl in a folder of fpath. */
export function zsh(commands: readonly ShownCommand[]): string {
  const cases = commands.map(({ name, flags, arguments: [first] }) => {
    const specs = flags.flatMap(zshSpecs).map((spec) => `        ${quoted(spec)}`);
    const operand = first?.offers === undefined ? "_files" : zshAction(first.offers);
    return `      ${quoted(name)})\n        _arguments -s -S \\\n${specs.join(" \\\n")} \\\n        ${quoted(`*:value:${operand}`)}\n        ;;`;
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
_acmectl_offers() {
  local -a found at
  local one
  for one in --state --config; do
    [[ -n $opt_args[$one] ]] && at+=($one $opt_args[$one])
  done
  found=("\${(@f)$(acmectl completion --offers $1 $at 2>/dev/null </dev/null)}")
  compadd -a found
}
if [ "$funcstack[1]" = _acmectl ]; then _acmectl "$@"; else compdef _acmectl acmectl; fi
`;
}

function zshSpecs(flag: ShownFlag): string[] {
  const { long, short, description, placeholder, isPath } = flag;
  const offers = offersOf(flag);
  const text = description.replaceAll(/[[\]:\\]/g, String.raw`\$&`);
  const action = offers === undefined ? (isPath ? "_files" : " ") : zshAction(offers);
  const value = placeholder ? `:value:${action}` : "";
  const letter = short === undefined ? [] : [`*${short}[${text}]${value}`];
  return [...letter, `*${long}${placeholder ? "=" : ""}[${text}]${value}`];
}

function zshAction(offers: Offered | readonly string[]): string {
  return typeof offers === "string" ? `{_acmectl_offers ${offers}}` : `(${offers.join(" ")})`;
}

function zshItem(word: string, summary: string): string {
  return quoted(`${word}:${summary.replaceAll(":", String.raw`\:`)}`);
}
