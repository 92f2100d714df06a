import { line } from "../../result.ts";
import { thisMachine } from "../../schedule/machine.ts";
import { removeSchedules } from "../../schedule/schedule.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "schedule remove",
  summary: "Remove the schedule that `acmectl schedule install` set up",
  options: {},
  async run(_, context) {
    const by = await removeSchedules(thisMachine(context));
    const text = "Removed the schedule. Certificates are no longer renewed automatically.";
    return by.length === 0
      ? {
          document: { outcome: "unchanged", by },
          view: [line("There is no schedule to remove.", "dim")],
        }
      : { document: { outcome: "removed", by }, view: [line(text, "good")] };
  },
});
