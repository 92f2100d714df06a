import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { certificateId } from "../../src/acme/certificate/extensions.ts";
import { startIssuing } from "../support/issuing.ts";
import { thisMachine } from "../../src/schedule/machine.ts";
import { installedProgram } from "../../src/schedule/job.ts";
import { installSchedule } from "../../src/schedule/schedule.ts";
import { contextOf } from "../support/context.ts";
import { run } from "../support/run.ts";
import { ageCertificate, schedulerPath } from "../support/scheduled.ts";
import { find } from "../support/servers/catalog.ts";
import { besideCron, cronAvailable } from "../support/servers/cron.ts";
import { conditions, program } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const typed = `"${process.execPath}" ${conditions.join(" ")} "${program}"`;

interface Shown {
  outcome: string;
  line?: string;
  schedules?: { by: string; next: string; command: string }[];
}

describe.skipIf(!cronAvailable())("schedule where there is cron", () => {
  test("installs one crontab line beside the user's own, which cron runs and which renews, and removes only that line", async () => {
    await using issuing = await startIssuing();
    await using folder = await temporaryFolder("acmectl 50% of it's ");
    const state = join(folder.path, "state");
    const port = String(issuing.httpPort);
    const proof = [
      "--standalone",
      "--standalone-port",
      port,
      "--self-check-at",
      `127.0.0.1:${port}`,
    ];
    const where = [...issuing.words.slice(0, 4), "--agree-tos", "--state", state];
    const issued = await run(["issue", "-d", "cron.example.test", ...proof, ...where], {
      env: { HOME: folder.path },
    });
    expect(issued.code).toBe(0);
    const certificate = join(state, "certificates", "cron.example.test");
    const first = new X509Certificate(await readFile(join(certificate, "current", "cert.pem")));
    await ageCertificate(certificate);
    issuing.ca.setRenewalInfo(certificateId(first) ?? "", {
      start: new Date(Date.now() - 7_200_000),
      end: new Date(Date.now() - 3_600_000),
    });
    const variables = join(folder.path, "environment");
    await writeFile(variables, "A=1\n", { mode: 0o600 });
    const output = await besideCron(
      `
      printf '0 5 * * * true # of the user\\n' | crontab -
      install() { ${typed} schedule install --force --no-jitter --by cron --json --state "$STATE" --environment-file "$VARIABLES"; }
      install; echo ---; install; echo ---
      line=$(crontab -l | grep 'acmectl schedule$')
      minute=$(echo "$line" | cut -d' ' -f1)
      hour=$(echo "$line" | cut -d' ' -f2 | cut -d, -f1)
      start_cron "$(date -d "2030-01-01 $hour:$minute:00 2 seconds ago" '+%F %T')"
      wait_for "$NEW"
      crontab -l; echo ---
      ${typed} schedule show --json --state "$STATE"; echo ---
      ${typed} schedule remove --json --state "$STATE"; echo ---
      crontab -l
      `,
      {
        STATE: state,
        VARIABLES: variables,
        NEW: join(certificate, "versions", "2", "cert.pem"),
        HOME: folder.path,
      },
    );
    const [installed, again, table, shown, removed, left] = output.split("---\n");
    const { line, outcome } = JSON.parse(installed ?? "") as Shown;
    expect(outcome).toBe("installed");
    expect(JSON.parse(again ?? "")).toMatchObject({ outcome: "unchanged", line });
    expect(table).toBe(`0 5 * * * true # of the user\n${line}\n`);
    expect(JSON.parse(shown ?? "")).toMatchObject({ schedules: [{ by: "cron" }], foreign: [] });
    expect(JSON.parse(removed ?? "")).toMatchObject({ outcome: "removed", by: ["cron"] });
    expect(left).toBe("0 5 * * * true # of the user\n");
    const second = new X509Certificate(
      await readFile(join(certificate, "versions", "2", "cert.pem")),
    );
    expect(second.serialNumber).not.toBe(first.serialNumber);
  });
});

describe.skipIf(find("systemd-analyze") === undefined)("schedule where there is systemd", () => {
  const verify = (files: readonly string[], words: readonly string[] = []) =>
    promisify(execFile)("systemd-analyze", [...words, "verify", "--man=no", ...files], {
      env: { ...process.env, XDG_RUNTIME_DIR: tmpdir() },
    });

  test.each([
    ["root's", 0, 720, []],
    ["root's", 0, 60, []],
    ["root's", 0, 5, []],
    ["a user's", 1000, 120, ["--user"]],
    ["a user's", 1000, 1, ["--user"]],
  ])("%s units pass systemd-analyze (uid %i, every %i minutes)", async (_, uid, every, words) => {
    await using folder = await temporaryFolder('acmectl 50% $HOME of "it\'s" ');
    const variables = join(folder.path, "environment");
    await writeFile(variables, "A=1\n", { mode: 0o600 });
    const machine = {
      ...thisMachine(contextOf({ uid, env: { HOME: folder.path, PATH: schedulerPath } })),
      systemd: true,
      systemCrontabs: [],
    };
    const job = {
      program: installedProgram(),
      stateFolder: join(folder.path, "state"),
      jitter: true,
      environmentFile: variables,
    };
    const options = { dryRun: true, force: true, needed: every, writable: [folder.path] };
    const { plan } = await installSchedule(job, options, machine);
    if (plan.by !== "systemd") throw new Error("units were expected");
    const files = Object.entries(plan.units).map(([kind, content]) => ({
      path: `acmectl-renew.${kind}`,
      content,
    }));
    const units = join(folder.path, "units");
    await mkdir(units);
    const written = files.map(({ path, content }) => ({
      path: join(units, path.split("/").at(-1) ?? ""),
      content,
    }));
    for (const { path, content } of written) await writeFile(path, content);
    const { stdout, stderr } = await verify(
      written.map(({ path }) => path),
      words,
    );
    // Other units of the machine may have faults of their own.
    expect((stdout + stderr).split("\n").filter((line) => line.includes("acmectl"))).toEqual([]);
    const broken = join(units, "acmectl-broken.service");
    await writeFile(
      broken,
      (written[1]?.content ?? "").replace("ExecStart=", "ExecStart=nowhere/"),
    );
    await expect(verify([broken], words)).rejects.toThrow("acmectl-broken");
  });
});
