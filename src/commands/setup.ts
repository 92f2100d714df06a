import { loadConfig } from "../config/file.ts";
import type { Context } from "../context.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { requestFlags } from "../options/declared/request.ts";
import { Problem } from "../problem.ts";
import type { Block, Result, StreamedResult } from "../result.ts";
import { temporaryPlaceOf } from "../schedule/job.ts";
import { thisMachine } from "../schedule/machine.ts";
import { type Commands, setUp } from "../setup/setup.ts";
import type { GivenFlags } from "../setup/command-line.ts";
import { command as set } from "./config/set.ts";
import { defineCommand } from "./command.ts";
import { command as deploy } from "./deploy.ts";
import { command as issue } from "./issue.ts";
import { command as install } from "./schedule/install.ts";

const options = requestFlags satisfies OptionDeclarations;
type Typed = OptionsOf<typeof options>;

export const command = defineCommand({
  name: "setup",
  summary: "Get a first certificate in a conversation: questions, rehearsal, issuance, schedule",
  description:
    "Looks at this machine and the DNS, asks what it cannot find out, and prints the commands and the config that do the same. Ctrl-C leaves it; running it again continues. What is given as an option is not asked.",
  examples: ["acmectl setup", "acmectl setup -d example.com --staging"],
  options,
  solverFlags: true,
  async run(typed, context) {
    if (typed.csr !== undefined) throw noRequest();
    if (!context.interactive) throw noTerminal();
    warnOfTemporaryPlace(context);
    return setUp(givenOf(typed, context), context, commandsOf(typed, context));
  },
});

function noRequest(): Problem {
  return new Problem("usage", {
    detail: "--csr does not go with `acmectl setup`, which asks for the names and makes the key.",
    hint: "Use `acmectl issue --csr FILE`.",
  });
}

function noTerminal(): Problem {
  return new Problem("usage", {
    detail:
      "`acmectl setup` asks questions, and this run has no terminal, or has -n, --json or CI set.",
    hint: "Give the answers as options: `acmectl issue -d NAME --webroot DIR -m ADDRESS --agree-tos`, then run `acmectl schedule install`.",
  });
}

/** `schedule install` refuses it at the end, when the certificate is there. */
function warnOfTemporaryPlace(context: Context): void {
  const { program, temporaryFolders } = thisMachine(context);
  const place = temporaryPlaceOf(program, temporaryFolders);
  if (place === undefined) return;
  const remedy = "To have the certificate renewed, first install acmectl permanently";
  context.log.warn(`${place}, so setup cannot install the schedule. ${remedy}`);
}

/** Without what comes from a default. */
function givenOf(typed: Typed, { sourceOf }: Context): GivenFlags {
  const given = Object.entries(typed).filter(
    ([option, value]) =>
      value !== undefined && !["default", "not given"].includes(sourceOf(option)),
  );
  return Object.fromEntries(given);
}

/** The commands themselves, so that what they print and refuse is the same. */
function commandsOf(typed: Typed, context: Context): Commands {
  const { configPath, sourceOf } = context;
  // What was written a moment ago counts.
  const explicit = sourceOf("config") !== "not given";
  const config = () => loadConfig(configPath, { explicit });
  return {
    issue(flags, solverFlags, { rehearse }) {
      const pass = { force: undefined, newOrder: undefined, wait: true, check: undefined };
      const rest = { ...pass, detailedExitcode: undefined, timings: undefined };
      const dryRun = rehearse ? true : undefined;
      return whole(
        issue.run({ ...typed, ...flags, ...rest, dryRun }, { ...context, config, solverFlags }),
      );
    },
    configure: (key, value) => set.run({}, { ...context, args: [key, value] }),
    deploy: (name) => whole(deploy.run({ all: true, wait: true }, { ...context, args: [name] })),
    schedule: () => whole(install.run(unasked, { ...context, config })),
  };
}

/** A command may show its result bit by bit. */
async function whole(running: Promise<Result | StreamedResult>): Promise<Result> {
  const { view: shown, ...result } = await running;
  const view: Block[] = [];
  for await (const block of shown) view.push(block);
  return { ...result, view };
}

/** `acmectl schedule install` as it is typed. */
const unasked = {
  by: undefined,
  every: undefined,
  jitter: true,
  environmentFile: undefined,
  writable: undefined,
  service: undefined,
  listen: undefined,
  force: undefined,
  dryRun: undefined,
} as const;
