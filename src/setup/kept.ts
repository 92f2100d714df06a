import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { isRecord, parseJson } from "../json.ts";
import { writeDurably } from "../state/folder/files.ts";
import type { Answers } from "./answers.ts";

/** The answers of a conversation that was left, in the state folder. */
export interface Kept {
  read(): Promise<Answers | undefined>;
  write(answers: Answers): Promise<void>;
  remove(): Promise<void>;
}

export async function openKept(context: Pick<Context, "stateFolder">): Promise<Kept> {
  const file = join(await context.stateFolder(), "setup.json");
  return {
    async read() {
      const text = await readFile(file, "utf8").catch(() => "");
      const value = parseJson(text);
      return isRecord(value) ? value : undefined;
    },
    write: (answers) => writeDurably(file, `${JSON.stringify(answers, undefined, 2)}\n`),
    remove: () => rm(file, { force: true }),
  };
}
