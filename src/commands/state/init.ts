import { line, verbatim } from "../../result.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "state init",
  summary: "Prepare a shared state in PostgreSQL or S3",
  description:
    "In PostgreSQL it creates or updates the tables: run it once as the owner of the database, and again after an update of acmectl that asks for it. It shows the GRANT statements with which another user, acmectl_worker in them, can do everything else. In S3 it tests whether the store has conditional writes, and shows the policy that runs need.",
  examples: [
    "acmectl state init --state postgres://owner@db.example.com/acmectl",
    "acmectl state init --state 's3://acmectl-state/prod?region=eu-central-1'",
  ],
  options: {},
  async run(_, context) {
    const store = await context.store();
    const { done, grantees = "", grants } = await store.init();
    const outcome = done.length === 0 ? "unchanged" : "created";
    return {
      document: { outcome, state: store.where, done, grants },
      view: [
        ...(done.length === 0
          ? [line(`Nothing is missing in ${store.where}.`, "good")]
          : done.map((what) => line(`Created ${what} in ${store.where}.`, "good"))),
        ...(grants.length === 0 ? [] : [line(grantees), verbatim(grants.join("\n"))]),
      ],
    };
  },
});
