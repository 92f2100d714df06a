import { expect, test } from "vitest";
import { listenProblem } from "../../src/plugin/listen-problem.ts";

test("a port that may not be opened is named with its address", async () => {
  const advice = { solver: "standalone", highPort: 8080, inUse: "" };
  const refused = Object.assign(new Error("listen EACCES"), { code: "EACCES" });
  const problem = await listenProblem(refused, { host: "::", port: 80 }, advice);
  expect(problem.message).toMatch(/^Cannot listen on \[::\]:80: this user may not/);
  expect(problem.hint).toContain("sudo sysctl net.ipv4.ip_unprivileged_port_start=80");
  const socket = await listenProblem(refused, { path: "/run/acme.sock" }, advice);
  expect(socket.message).toBe("Cannot create the socket /run/acme.sock: permission denied.");
});
