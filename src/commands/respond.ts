import { listenFlags, respondFlags } from "../options/declared/respond.ts";
import { Problem } from "../problem.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "respond",
  summary: "Answer challenges from the shared state on this host, in the foreground",
  description:
    "For every host behind a load balancer: what a run with the solver `respond` puts into the state is answered by all of them. Needs no account and no key of the state. Let the web server pass /.well-known/acme-challenge/ on to it (docs/fleet.md), or use port 80.",
  examples: [
    "acmectl respond --state postgres://acmectl@db.example.com/acmectl --http 127.0.0.1:8402",
    "acmectl respond --http unix:/run/acmectl/http.sock",
    "acmectl respond --http none --tls 443",
  ],
  options: { ...respondFlags, ...listenFlags },
  async run(flags, context) {
    const { doorsOf } = await import("../run/doors.ts");
    const { stay } = await import("../run/service.ts");
    const doors = doorsOf(flags, flags, context);
    if (doors.http.length + doors.tls.length > 0) return stay(doors, context);
    throw new Problem("usage", {
      detail: "--http none was given without --tls, so there is nothing to answer.",
      hint: "Add --tls 443, or leave --http none out.",
    });
  },
});
