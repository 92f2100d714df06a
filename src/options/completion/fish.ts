/** Completion in fish. */
import type { Offered } from "../declaration.ts";
import {
  type ShownCommand,
  type ShownFlag,
  firsts,
  groupsOf,
  offersOf,
  quoted,
  summaryOf,
} from "./shown.ts";

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
  const rest = commands.flatMap(({ name, flags, arguments: [first] }) => {
    const typed = name.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
    const begin = `complete -c acmectl -n ${quoted(typed.join("; and "))}`;
    const operand = first?.offers === undefined ? [] : `${begin} -f -a ${fishOffer(first.offers)}`;
    return [...flags.map((flag) => `${begin}${fishFlag(flag)}`), ...[operand].flat()];
  });
  return `# fish completion for acmectl
function __acmectl_offers
  set -l at
  set -l typed (commandline -opc)
  for i in (seq (count $typed))
    switch $typed[$i]
      case --state --config
        set -a at $typed[$i] $typed[(math $i + 1)]
      case '--state=*' '--config=*'
        set -a at $typed[$i]
    end
  end
  acmectl completion --offers $argv[1] $at 2>/dev/null </dev/null
end
${[...top, ...verbs, ...rest].join("\n")}
`;
}

function fishFlag(flag: ShownFlag): string {
  const { long, short, description, placeholder, isPath } = flag;
  const offers = offersOf(flag);
  const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
  const value = placeholder ? ` -r${isPath ? " -F" : " -f"}` : "";
  const offered = offers === undefined ? "" : ` -a ${fishOffer(offers)}`;
  return ` -l ${long.slice(2)}${letter}${value}${offered} -d ${quoted(description)}`;
}

function fishOffer(offers: Offered | readonly string[]): string {
  return quoted(typeof offers === "string" ? `(__acmectl_offers ${offers})` : offers.join(" "));
}
