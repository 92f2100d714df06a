import { thisMachine } from "../../schedule/machine.ts";
import { removeSchedules } from "../../schedule/schedule.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "schedule remove",
  summary: "Remove the schedule that `acmectl schedule install` set up",
  options: {},
  async run(_, context) {
    const removed = await removeSchedules(thisMachine(context));
    const text =
      removed.length === 0
        ? "There is no schedule to remove."
        : "Removed the schedule. Certificates are no longer renewed automatically.";
    return {
      exitCode: 0,
      document: { outcome: removed.length === 0 ? "unchanged" : "removed", by: removed },
      view: [{ kind: "line", text, tone: removed.length === 0 ? "dim" : "good" }],
    };
  },
});
