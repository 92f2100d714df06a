import { Problem } from "../../problem.ts";
import { line } from "../../result.ts";
import { isStateUrl } from "../../state/url.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "state rekey",
  summary: "Encrypt a shared state with a new state key, while runs go on",
  description:
    "Give the new key first and the old one behind it, to all hosts, before you run this. Afterwards remove the old key everywhere. It can be stopped and run again.",
  examples: [
    "acmectl state rekey --state-key file:/etc/acmectl/new.key --state-key file:/etc/acmectl/old.key",
  ],
  options: {},
  async run(_, context) {
    const store = await context.store();
    if (!isStateUrl(store.where)) throw notShared(store.where);
    const count = await store.rekey(context.signal);
    const text =
      count === 0
        ? `Everything in ${store.where} is encrypted with the first state key.`
        : `Encrypted ${count} items in ${store.where} with the first state key.`;
    return {
      document: { outcome: count === 0 ? "unchanged" : "changed", state: store.where, count },
      view: [line(text, "good"), line("The other state keys are not needed for it.")],
    };
  },
});

function notShared(where: string): Problem {
  return new Problem("usage", {
    detail: `Nothing in the folder ${where} is encrypted by acmectl.`,
    hint: "Give a shared state with --state postgres://… or s3://….",
  });
}
