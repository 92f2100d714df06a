import { line } from "../../result.ts";
import { thisMachine } from "../../schedule/machine.ts";
import { removeSchedules } from "../../schedule/schedule.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "schedule remove",
  summary: "Remove the schedule or service that `acmectl schedule install` set up",
  options: {},
  async run(_, context) {
    const by = await removeSchedules(thisMachine(context));
    const isRemoved = by.length > 0;
    const what = by.includes("service") ? "service" : "schedule";
    const removed = `Removed the ${what}. From now on, certificates are renewed only when you run acmectl.`;
    const view = isRemoved ? line(removed, "good") : line("There is no schedule to remove.", "dim");
    return { document: { outcome: isRemoved ? "removed" : "unchanged", by }, view: [view] };
  },
});
