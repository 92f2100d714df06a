import { line, verbatim } from "../../result.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "state init",
  summary: "Create or update the tables of a state in PostgreSQL",
  description:
    "Run it once as the owner of the database, and again after an update of acmectl that asks for it. It shows the GRANT statements with which another user, acmectl_worker in them, can do everything else.",
  examples: ["acmectl state init --state postgres://owner@db.example.com/acmectl"],
  options: {},
  async run(_, context) {
    const store = await context.store();
    const { done, grants } = await store.init();
    const outcome = done.length === 0 ? "unchanged" : "created";
    return {
      document: { outcome, state: store.where, done, grants },
      view: [
        ...(done.length === 0
          ? [line(`Nothing is missing in ${store.where}.`, "good")]
          : done.map((what) => line(`Created ${what} in ${store.where}.`, "good"))),
        ...(grants.length === 0
          ? []
          : [line("For a user that may not create tables:"), verbatim(grants.join("\n"))]),
      ],
    };
  },
});
