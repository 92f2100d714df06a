import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { isRecord, parseJson } from "../json.ts";
import { writeDurably } from "../state/folder/files.ts";

/** What was answered so far. It is kept between runs, so it has no secret: references to secrets only. */
export interface Answers {
  /** Separated by commas. */
  readonly domains?: string | undefined;
  /** A preset, `local`, or `other`. */
  readonly server?: string | undefined;
  /** The URL of another CA. */
  readonly directory?: string | undefined;
  /** Empty for none. */
  readonly email?: string | undefined;
  /** Not kept: each conversation asks for consent. */
  readonly agreeTos?: boolean | undefined;
  readonly eabKid?: string | undefined;
  readonly eabHmac?: string | undefined;
  /** `sites` (the folders that the web server serves), `webroot`, `standalone`, `tls-alpn`, or a solver for dns-01. */
  readonly proof?: string | undefined;
  readonly webroot?: string | undefined;
  /** A reference to the DNS provider's token. */
  readonly credential?: string | undefined;
  readonly placement?: "state" | "existing" | "folder" | undefined;
  readonly folder?: string | undefined;
  readonly reload?: boolean | undefined;
}
export type Key = keyof Answers;

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
      return isRecord(value) ? { ...value, agreeTos: undefined } : undefined;
    },
    async write(answers) {
      const kept = { ...answers, agreeTos: undefined };
      await writeDurably(file, `${JSON.stringify(kept, undefined, 2)}\n`);
    },
    remove: () => rm(file, { force: true }),
  };
}
