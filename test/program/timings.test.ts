import { expect, test } from "vitest";
import { openTimer } from "../../src/program/timings.ts";
import { startIssuing } from "../support/issuing.ts";

test("--timings shows phases and requests on stderr after the result, and in the document with --json", async () => {
  await using issuing = await startIssuing();
  const shown = await issuing.issue(["-d", "a.example.test", "--timings"]);
  expect(shown.code).toBe(0);
  expect(shown.stdout).not.toContain("Timings");
  expect(shown.stderr).toMatch(/Timings: \d+ ms in all\nphase +ms\nstart +\d+\n/);
  expect(shown.stderr).toMatch(/validation +\d+\nfinalize +\d+\ndownload +\d+\n/);
  expect(shown.stderr).toMatch(/HEAD \/new-nonce +1 +\d+ +\d+\n/);
  const again = await issuing.issue(["-d", "a.example.test", "--force", "--timings", "--json"]);
  expect(again.stderr).not.toContain("Timings");
  const { timings } = JSON.parse(again.stdout);
  expect(timings.phases[0]).toMatchObject({ phase: "start", start: 0 });
  expect(timings.requests.map(({ status }: { status: number }) => status)).not.toContain(0);
  expect(timings.requests[0]).toMatchObject({ method: "GET", status: 200 });
});

test("--timings shows the phases and requests of a run that failed", async () => {
  await using issuing = await startIssuing();
  const words = ["-d", "a.example.test", "--profile", "none-such", "--timings"];
  const shown = await issuing.issue(words);
  expect(shown.code).toBe(2);
  expect(shown.stderr).toMatch(
    /Timings: \d+ ms in all\n[^]*GET \/directory +1 [^]*Unknown profile: /,
  );
  const { outcome, problem, timings } = JSON.parse(
    (await issuing.issue([...words, "--json"])).stdout,
  );
  expect([outcome, problem.code]).toEqual(["failed", 2]);
  expect(timings.requests[0]).toMatchObject({ method: "GET", status: 200 });
});

test("--timings counts a request that fails without an answer, with status 0", async () => {
  await using issuing = await startIssuing();
  const server = ["--server", "https://127.0.0.1:1/directory"];
  const words = ["-d", "a.example.test", ...server, "--timings", "--json"];
  const { timings } = JSON.parse((await issuing.issue(words)).stdout);
  expect(timings.requests[0]).toMatchObject({ method: "GET", status: 0 });
});

test("with --log-format json the timings are an event, and without requests they have one table", async () => {
  await using issuing = await startIssuing();
  await issuing.issue(["-d", "a.example.test"]);
  const events = await issuing.run(["renew", "--timings", "--log-format", "json"]);
  const lines = events.stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({ message: "timings", timings: { phases: [{}] } });
  // The CA was asked for its renewal information just now.
  expect((await issuing.run(["renew", "--timings"])).stderr).not.toContain("requests");
});

test("requests for one kind of object are one row, however many there are", () => {
  const timer = openTimer({ debug: () => {}, info: () => {}, warn: () => {} });
  for (const id of ["1", "22/333", "Zm9vYmFyYmF6cXV1eA"])
    timer.log.debug("", {
      request: { method: "POST", url: `https://ca/acme/authz/${id}`, status: 200, milliseconds: 5 },
    });
  const { aside = [] } = timer.added({ document: { outcome: "issued" }, view: [] });
  expect(aside.at(-1)).toMatchObject({ rows: [["POST /acme/authz", "3", "15", "5"]] });
});
