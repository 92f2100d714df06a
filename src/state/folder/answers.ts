import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Answer, AnswerKey, Store } from "../store.ts";
import { entriesOf, readText, removeFile } from "./files.ts";
import { inTurn } from "./locks/locks.ts";
import { hasStrings, recordIn, writeRecord, type Folder } from "./records.ts";

/** Responses to challenges, for other processes on this machine: one file each in `answers/`. */
export function openAnswers({ root, check, clock }: Folder): Store["answers"] {
  const folder = join(root, "answers");
  const pathOf = ({ type, host, token }: AnswerKey) => {
    const key = JSON.stringify([type, host, token]);
    return join(folder, `${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`);
  };

  /** One that cannot be read counts as ended: the run that put it finds out by its self-check. */
  async function readAll() {
    await check();
    const files = (await entriesOf(folder)).filter((entry) => !entry.startsWith("."));
    const all = files.map(async (file) => {
      const path = join(folder, file);
      const text = await readText(path);
      const record = text === undefined ? undefined : recordIn(text, isRecord);
      const isLive = record !== undefined && Date.parse(record.endsAt) > clock.now().getTime();
      return { path, answer: isLive ? record.answer : undefined };
    });
    return Promise.all(all);
  }

  return {
    async put({ type, host, token, content }, lifetime) {
      for (const { path, answer } of await readAll())
        if (answer === undefined) await inTurn(path, () => removeFile(path));
      const endsAt = new Date(clock.now().getTime() + lifetime).toISOString();
      const answer: Answer = { type, host, token, content };
      const path = pathOf(answer);
      await inTurn(path, () => writeRecord(path, { answer, endsAt }));
    },
    list: async () => (await readAll()).flatMap(({ answer }) => answer ?? []),
    async remove(answer) {
      await check();
      const path = pathOf(answer);
      await inTurn(path, () => removeFile(path));
    },
  };
}

function isRecord(value: unknown): value is { answer: Answer; endsAt: string } {
  return (
    hasStrings(value, ["endsAt"]) &&
    hasStrings(value["answer"], ["type", "host", "token", "content"])
  );
}
