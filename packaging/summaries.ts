/** Writes what `acmectl --help` lists, after the build. */
import { writeFileSync } from "node:fs";
import { allCommands, commandSource } from "../src/commands/definitions.ts";

const commands = await allCommands(commandSource());
const summaries = Object.fromEntries(commands.map(({ name, summary }) => [name, summary]));
writeFileSync(new URL("../dist/src/commands.json", import.meta.url), JSON.stringify(summaries));
