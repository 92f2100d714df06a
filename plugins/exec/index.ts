/** dns-01 by a program of the user's, called as lego, certbot, dehydrated, uacme or acme.sh would call it. */
import { defineSolver } from "acmectl/plugin";
import { runnable } from "./runnable.ts";
import { scriptSolver } from "./solver.ts";
import { styles } from "./styles.ts";

export default defineSolver({
  summary:
    "dns-01 by a script of yours, also one made for lego, certbot, dehydrated, uacme or acme.sh",
  challengeTypes: ["dns-01"],
  concurrency: 8,
  options: {
    command: {
      type: "list",
      verbatim: true,
      required: true,
      env: ["EXEC_PATH"],
      placeholder: "WORD",
      description:
        "The program, then what comes before the style's own arguments, a word each; with style acme.sh the dnsapi script, e.g. dns_cf.",
    },
    cleanupCommand: {
      type: "list",
      verbatim: true,
      placeholder: "WORD",
      description: "Another program for cleaning up, as certbot's --manual-cleanup-hook.",
    },
    style: {
      type: "string",
      choices: styles,
      default: "lego",
      description: "How the program is called: the arguments that it expects.",
    },
    mode: {
      type: "string",
      choices: ["RAW"],
      env: ["EXEC_MODE"],
      hidden: true,
      description: "Lego's name for the style lego-raw.",
    },
    shell: {
      type: "boolean",
      default: false,
      description:
        "Let sh read the command, so that pipes, quotes and variables work; arguments follow as they are, unread by sh.",
    },
    acmeSh: {
      type: "path",
      placeholder: "FILE",
      description: "The acme.sh whose functions the dnsapi script calls, with style acme.sh.",
    },
    env: {
      type: "map",
      placeholder: "NAME=VALUE",
      description: "Further variables for the program.",
    },
    secrets: {
      type: "map",
      secret: true,
      description:
        "Further variables for the program whose values are secret: masked in all that it prints.",
    },
    passEnv: {
      type: "list",
      placeholder: "NAME",
      description:
        "Variables of acmectl's own (ACMECTL_...) that the program gets; all others are kept from it, those without that prefix are not.",
    },
    directory: {
      type: "path",
      placeholder: "DIR",
      description: "Where the program runs; acmectl's working directory when absent.",
    },
    timeout: {
      type: "duration",
      default: 120_000,
      min: 100,
      description: "How long one call may take; then it is ended, with all that it has started.",
    },
    parallel: {
      type: "integer",
      default: 1,
      min: 1,
      max: 8,
      description: "How many names may be worked on at once; one record never by two calls.",
    },
  },
  create(options, context) {
    return scriptSolver({
      ...options,
      style: options.mode === "RAW" ? "lego-raw" : options.style,
      env: options.env ?? {},
      secrets: options.secrets ?? {},
      passEnv: options.passEnv ?? [],
      cleanupCommand: options.cleanupCommand ?? options.command,
      directory: options.directory ?? process.cwd(),
      inherited: process.env,
      runnable,
      log: context.log,
      findZone: (name) => context.findZone(name),
    });
  },
});
