import { spawnSync } from "node:child_process";
import { mkdir, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { VersionMeta } from "../../src/certificate.ts";
import {
  intervalFor,
  intervalOn,
  isTooRare,
  rareSchedule,
  writtenInterval,
} from "../../src/schedule/interval.ts";
import { assertEnvironmentFile, installedProgram } from "../../src/schedule/job.ts";
import { removeSchedules } from "../../src/schedule/schedule.ts";
import { showSchedules } from "../../src/schedule/show.ts";
import { recordingLog } from "../../src/testing.ts";
import { runHint } from "../support/shell.ts";
import { acmectl } from "../support/spawn.ts";
import { pretend } from "./pretend.ts";

const hour = 3_600_000;
const day = 24 * hour;

const line =
  "18 3,15 * * * PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /usr/bin/node /usr/lib/acmectl/bin/acmectl.js renew -q --every 12h --jitter --state /var/lib/acmectl --config /etc/acmectl/config.yaml # acmectl schedule";

describe("schedule install where systemd runs", () => {
  it("schedule install writes a timer and a service, starts the timer, and does nothing the second time", async () => {
    await using here = await pretend();
    expect((await here.install()).outcome).toBe("installed");
    expect(await here.units()).toEqual(["acmectl-renew.service", "acmectl-renew.timer"]);
    expect(await here.text("units/acmectl-renew.timer")).toContain(
      "OnCalendar=*-*-* 03,15:18:18\nAccuracySec=1s\nRandomizedDelaySec=900s\nPersistent=true\n",
    );
    const service = await here.text("units/acmectl-renew.service");
    expect(service).toContain(
      "ExecStart=/usr/bin/node /usr/lib/acmectl/bin/acmectl.js renew -q --every 12h --jitter --state /var/lib/acmectl --config /etc/acmectl/config.yaml\n",
    );
    expect(service).toContain("ReadWritePaths=-/var/lib/acmectl -/etc -/run -/srv -/var\n");
    expect(service).toContain("NoNewPrivileges=true\n");
    const asked = await here.text("systemctl");
    expect(asked?.replace(/^show .*\n/, "")).toBe(
      "daemon-reload\nenable acmectl-renew.timer\nrestart acmectl-renew.timer\n",
    );
    expect((await here.install()).outcome).toBe("unchanged");
    expect(await here.text("crontab")).toBeUndefined();
  });

  it("schedule install keeps the times when something else changes, and starts a stopped timer", async () => {
    await using here = await pretend();
    await here.install();
    const changed = await here.install({}, { stateFolder: "/srv/acmectl" });
    expect(changed.outcome).toBe("replaced");
    expect(await here.text("units/acmectl-renew.timer")).toContain("03,15:18:18");
    await rm(join(here.folder, "active"));
    expect((await here.install({}, { stateFolder: "/srv/acmectl" })).outcome).toBe("replaced");
    expect(await here.text("active")).toBe("");
  });

  it("a change from cron to systemd and back keeps the user's lines and the times", async () => {
    await using here = await pretend();
    await here.put("crontab", "MAILTO=ops@example.com\n0 5 * * * backup\n");
    await here.install({ by: "cron" });
    expect(await here.text("crontab")).toBe(`MAILTO=ops@example.com\n0 5 * * * backup\n${line}\n`);
    expect((await here.install()).outcome).toBe("replaced");
    expect(await here.text("crontab")).toBe("MAILTO=ops@example.com\n0 5 * * * backup\n");
    expect(await here.text("units/acmectl-renew.timer")).toContain("03,15:18:00");
    expect((await here.install({ by: "cron" })).outcome).toBe("replaced");
    expect(await here.units()).toEqual([]);
    expect(await here.text("crontab")).toBe(`MAILTO=ops@example.com\n0 5 * * * backup\n${line}\n`);
  });

  it("a user's service is not confined", async () => {
    await using here = await pretend({ uid: 1000 });
    await here.install();
    expect(await here.text("systemctl")).toContain("--user enable acmectl-renew.timer");
    expect(await here.text("units/acmectl-renew.service")).not.toMatch(
      /^(Protect|NoNew|Restrict)/m,
    );
  });

  it("suggests cron to a user without a session", async () => {
    await using here = await pretend({ uid: 1000 });
    await here.put("no-bus", "");
    await expect(here.install()).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("Failed to connect to bus"),
      hint: expect.stringContaining("--by cron"),
    });
  });

  it("refuses to replace or remove units that it did not write", async () => {
    await using here = await pretend();
    await mkdir(here.machine.unitFolder);
    await here.put("units/acmectl-renew.timer", "[Timer]\nOnCalendar=daily\n");
    await expect(here.install()).rejects.toMatchObject({ exitCode: 3 });
    await expect(removeSchedules(here.machine)).rejects.toMatchObject({ exitCode: 3 });
    expect(await here.text("units/acmectl-renew.timer")).toBe("[Timer]\nOnCalendar=daily\n");
  });
});

it.each([
  ["state folder", { stateFolder: "/srv/a\n* * * * * touch /owned" }],
  ["config", { configPath: "/etc/a\r/config.yaml" }],
  ["environment file", { environmentFile: "/etc/a\u001b[2J" }],
])("schedule install refuses a %s with a control character", async (_, job) => {
  for (const systemd of [true, false]) {
    await using here = await pretend({ systemd });
    await expect(here.install({}, job)).rejects.toMatchObject({ exitCode: 2 });
    expect(await here.units()).toEqual([]);
    expect(await here.text("crontab")).toBeUndefined();
  }
});

describe("schedule install where only cron runs", () => {
  it("a crontab line quotes what the shell and cron would interpret", async () => {
    await using here = await pretend({ systemd: false });
    const stateFolder = "/srv/it's 50%/$HOME";
    await here.put("50% environment", "A=1\n");
    const environmentFile = join(here.folder, "50% environment");
    const { plan } = await here.install({}, { stateFolder, environmentFile });
    expect(plan).toMatchObject({
      by: "cron",
      line: expect.stringContaining(
        String.raw`/usr/bin/node '--env-file=${here.folder}/50\% environment' /usr/lib/acmectl/bin/acmectl.js renew -q --every 12h --jitter --state '/srv/it'\''s 50\%/$HOME'`,
      ),
    });
  });

  it("a run with a shared state gets its key by reference and its folder", async () => {
    await using here = await pretend({ systemd: false });
    const statePlace = "postgres://acmectl@db.example.com/acmectl";
    const stateArguments = [
      "--state-key",
      "file:/etc/acmectl/state.key",
      "--state-files",
      "/srv/a",
    ];
    const { plan } = await here.install({}, { statePlace, stateArguments });
    expect(plan).toMatchObject({
      line: expect.stringContaining(`--state ${statePlace} ${stateArguments.join(" ")}`),
    });
  });

  it("schedule install never overwrites a crontab that it cannot read", async () => {
    await using here = await pretend({ systemd: false });
    await here.put("crontab", "0 5 * * * backup\n");
    await here.put("denied", "");
    await expect(here.install()).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("not allowed"),
    });
    expect(await here.text("crontab")).toBe("0 5 * * * backup\n");
  });

  it("a timer is installed, shown and removed by a user who may not use cron", async () => {
    await using here = await pretend();
    await here.put("denied", "");
    expect(await here.install()).toMatchObject({ outcome: "installed" });
    expect(await showSchedules(here.machine)).toMatchObject({ installed: [{ by: "systemd" }] });
    expect(await intervalOn(here.machine)).toBe(12 * hour);
    expect(here.said()).toContain("crontab -l failed");
    expect(await removeSchedules(here.machine)).toEqual(["systemd"]);
    await expect(showSchedules(here.machine)).rejects.toThrow("crontab -l failed");
    await expect(here.install({ by: "cron" })).rejects.toThrow("crontab -l failed");
  });

  it("schedule install fails where there is neither systemd nor crontab", async () => {
    await using none = await pretend({ systemd: false, env: { PATH: "/nonexistent" } });
    await expect(none.install()).rejects.toMatchObject({ exitCode: 3 });
  });

  it("schedule install --dry-run changes nothing", async () => {
    await using here = await pretend();
    for (const by of ["systemd", "cron"] as const) {
      expect((await here.install({ by, dryRun: true })).outcome).toBe("dry-run");
    }
    expect(await here.units()).toEqual([]);
    expect(await here.text("crontab")).toBeUndefined();
    expect(await here.text("systemctl")).toMatch(/^show .*\n$/);
  });
});

describe("the --environment-file of an installed schedule", () => {
  it("is read by schedule install, not by the Node.js that runs it", async () => {
    const words = ["schedule", "install", "--environment-file", "/nope", "--force", "--dry-run"];
    const ran = await acmectl(words, { env: { HOME: "/nope" } }).ended;
    expect(ran).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--environment-file: /nope cannot be read"),
    });
  });

  it("that others can read is reported with the command that protects it", async () => {
    await using here = await pretend();
    await here.put("environment", "A=1\n");
    const path = join(here.folder, "environment");
    const warnings = async () => {
      const log = recordingLog();
      await assertEnvironmentFile(path, log);
      return log.entries.map(({ message }) => message);
    };
    const warned = await warnings();
    expect(warned).toEqual([expect.stringContaining("can be read by others")]);
    runHint(warned[0]);
    expect(await warnings()).toEqual([]);
  });

  it.each(["systemd", "cron"] as const)(
    "the environment file of an installed schedule is kept, also by another scheduler: %s",
    async (by) => {
      await using here = await pretend();
      for (const name of ["environment", "it's 50%"]) {
        await here.put(name, "A=1\n");
        const environmentFile = join(here.folder, name);
        await here.install({ by }, { environmentFile });
        const again = await here.install({ by });
        expect(again).toMatchObject({ outcome: "unchanged", environmentFile });
        expect(here.said()).toContain(
          `keeping --environment-file ${environmentFile} of the installed schedule`,
        );
        const other = by === "cron" ? "systemd" : "cron";
        expect(await here.install({ by: other })).toMatchObject({
          outcome: "replaced",
          environmentFile,
        });
      }
    },
  );

  it("the environment file of an installed schedule is removed by --environment-file none", async () => {
    await using here = await pretend();
    await here.put("environment", "A=1\n");
    await here.install({}, { environmentFile: join(here.folder, "environment") });
    const removed = await here.install({ keepEnvironmentFile: false });
    expect(removed).toMatchObject({ outcome: "replaced", environmentFile: undefined });
    expect(await here.text("units/acmectl-renew.service")).not.toContain("EnvironmentFile");
  });

  it("schedule install fails if the environment file of the schedule no longer exists", async () => {
    await using here = await pretend();
    await here.put("environment", "A=1\n");
    await here.install({}, { environmentFile: join(here.folder, "environment") });
    await rm(join(here.folder, "environment"));
    await expect(here.install()).rejects.toMatchObject({
      exitCode: 2,
      hint: expect.stringContaining("--environment-file none"),
    });
  });
});

describe("schedule install --dry-run", () => {
  it("schedule install --dry-run refuses a folder that cannot be written, and a user without a session", async () => {
    await using here = await pretend({ uid: 1000 });
    await here.put("no-bus", "");
    await expect(here.install({ dryRun: true })).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("Failed to connect to bus"),
    });
    await here.put("file", "");
    await using other = await pretend({ unitFolder: join(here.folder, "file", "units") });
    await expect(other.install({ dryRun: true })).rejects.toMatchObject({ exitCode: 3 });
  });

  it("schedule install --dry-run refuses what the real run refuses", async () => {
    await using none = await pretend({ systemd: false, env: { PATH: "/nonexistent" } });
    await expect(none.install({ dryRun: true })).rejects.toMatchObject({ exitCode: 3 });
    await using cron = await pretend({ systemd: false });
    await expect(cron.install({ dryRun: true, by: "systemd" })).rejects.toMatchObject({
      exitCode: 3,
    });
    await cron.put("crontab", "0 3 * * * acmectl renew\n");
    await expect(cron.install({ dryRun: true })).rejects.toMatchObject({ exitCode: 2 });
    const program = { ...cron.machine.program, script: "/tmp/x/bin/acmectl.js" };
    await expect(cron.install({ dryRun: true }, { program })).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("temporary folder"),
    });
  });
});

describe("the interval of the schedule", () => {
  const held = (...lifetimes: number[]) =>
    lifetimes.map((lifetime) => ({
      version: 1,
      paths: { certificate: "", chain: "", fullchain: "" },
      meta: {
        notBefore: new Date(0).toISOString(),
        notAfter: new Date(lifetime - 1000).toISOString(),
      } as VersionMeta,
    }));

  it.each([
    ["no certificate", [], "6h"],
    ["398 and 90 days", [398 * day, 90 * day], "6h"],
    ["6 days", [90 * day, 6 * day], "6h"],
    ["24 hours", [90 * day, day], "2h"],
    ["12 hours", [day, day / 2], "1h"],
    ["an hour", [hour], "5m"],
    ["6 minutes", [hour / 10], "1m"],
  ])("the interval for %s is chosen by the shortest lifetime", (_, lifetimes, every) => {
    expect(writtenInterval(intervalFor(held(...lifetimes)))).toBe(every);
    expect(isTooRare(intervalFor(held(...lifetimes)), held(...lifetimes))).toBe(false);
  });

  it("a schedule is too rare if fewer than four runs fit into a lifetime", () => {
    expect(isTooRare(720, held(2 * day))).toBe(false);
    expect(isTooRare(720, held(day))).toBe(true);
    expect(isTooRare(60, held(hour / 10))).toBe(true);
  });

  it.each([
    [720, "03,15:18:18", "18 3,15 * * *"],
    [120, "01,03,05,07,09,11,13,15,17,19,21,23:18:18", "18 1,3,5,7,9,11,13,15,17,19,21,23 * * *"],
    [60, "*:18:18", "18 * * * *"],
    [5, "*:03/5:18", "3-59/5 * * * *"],
    [1, "*:00/1:18", "0-59/1 * * * *"],
  ])(
    "an interval of %i minutes is written for systemd and cron, and read again",
    async (every, systemd, cron) => {
      await using here = await pretend();
      await here.install({ every });
      expect(await here.text("units/acmectl-renew.timer")).toContain(
        `OnCalendar=*-*-* ${systemd}\n`,
      );
      expect(await here.text("units/acmectl-renew.service")).toContain(
        `renew -q --every ${writtenInterval(every)} --jitter `,
      );
      expect((await here.install()).outcome).toBe("unchanged");
      await here.install({ by: "cron" });
      expect(await here.text("crontab")).toContain(`${cron} PATH=`);
      const [shown] = (await showSchedules(here.machine)).installed;
      expect(shown?.every).toBe(writtenInterval(every));
      const next = shown?.next?.getTime() ?? 0;
      const now = here.machine.clock.now().getTime();
      expect(next - now).toBeGreaterThan(0);
      expect(next - now).toBeLessThanOrEqual(every * 60_000);
    },
  );

  it("the interval becomes shorter when a certificate needs it, and stays short", async () => {
    await using here = await pretend();
    expect((await here.install()).every).toBe(720);
    expect((await here.install({ needed: 60 })).every).toBe(60);
    expect((await here.install()).every).toBe(60);
    expect((await here.install({ every: 720 })).every).toBe(720);
  });

  it("a schedule that is too rare is reported with the command that fixes it", async () => {
    await using here = await pretend();
    expect(await rareSchedule(held(day), here.machine)).toBeUndefined();
    await here.install({ by: "cron" });
    expect(await rareSchedule(held(6 * day), here.machine)).toBeUndefined();
    expect(await rareSchedule(held(day), here.machine)).toBe(
      "Renewals run every 12 hours, which is too rare for a certificate that is valid for 24 hours. " +
        "Run: acmectl schedule install --every 2h",
    );
  });
});

describe("the interval of this machine's schedules", () => {
  it("the interval of this machine is that of the installed schedule", async () => {
    await using here = await pretend();
    expect(await intervalOn(here.machine)).toBe(0);
    await here.install({ every: 120 });
    expect(await intervalOn(here.machine)).toBe(2 * hour);
  });

  it.each([
    ["27 3,15 * * *", 12 * hour],
    ["0 3 * * *", day],
    ["0 1,4,20 * * *", 16 * hour],
    ["*/15 * * * *", hour / 4],
    ["2-59/5 8-18/2 * * *", 13 * hour + hour / 12],
    ["@hourly", hour],
    ["@daily", day],
    ["30 2 * * 1-5", 3 * day],
    ["30 2 1,15 * *", 17 * day],
    ["0 3 * * * PATH=/bin", day],
    ["@reboot", 0],
    ["0 x * * *", 0],
    ["*/0 * * * *", 0],
  ])(
    "the interval of a crontab line at %s is the longest time between two runs",
    async (times, expected) => {
      await using here = await pretend();
      await here.put("crontab", `${times} acmectl renew -q\n`);
      expect(await intervalOn(here.machine)).toBe(expected);
    },
  );

  it.each([
    ["OnCalendar=daily", day],
    ["OnCalendar=hourly", hour],
    ["OnCalendar=*-*-* 03,15:27:41", 12 * hour],
    ["OnCalendar=*-*-* *:02/5", hour / 12],
    ["OnCalendar=0/6:00", 6 * hour],
    ["OnCalendar=Mon..Fri 03:00", 3 * day],
    ["OnBootSec=5min\nOnUnitActiveSec=6 hours", 6 * hour],
    ["OnUnitInactiveSec=1d 12h", day + 12 * hour],
    ["OnUnitActiveSec=3600", hour],
    ["OnCalendar=Mon *-05~03", 0],
  ])(
    "the interval of a timer with %s is the longest time between two runs",
    async (setting, expected) => {
      await using here = await pretend();
      await mkdir(here.machine.unitFolder);
      await here.put("units/mine.service", "[Service]\nExecStart=/usr/bin/acmectl renew\n");
      await here.put("units/mine.timer", `[Timer]\n${setting}\n`);
      expect(await intervalOn(here.machine)).toBe(expected);
    },
  );

  it("the interval of this machine is that of --every, and the shortest of several", async () => {
    await using here = await pretend();
    await here.put("crontab.system", "0 3 * * * root acmectl renew --every 6h\n");
    await here.put("crontab", "0 3 * * * acmectl renew\n");
    expect(await intervalOn(here.machine)).toBe(6 * hour);
  });
});

describe("the units of the .deb and .rpm", () => {
  const packaged = (kind: string) =>
    readFile(new URL(`../../packaging/linux/acmectl-renew.${kind}`, import.meta.url), "utf8");

  it("the packaged service has the settings and the confinement of an installed one", async () => {
    await using here = await pretend();
    await here.install();
    const settings = (text: string | undefined) =>
      (text ?? "")
        .split("\n")
        .filter((line) => !/^#|^(ExecStart|EnvironmentFile|CacheDirectory\w*)=/.test(line))
        .filter((line) => line !== "");
    const installed = settings(await here.text("units/acmectl-renew.service"));
    expect(installed).toContain("ProtectSystem=strict");
    expect(settings(await packaged("service"))).toEqual(installed);
  });

  it("an enabled packaged timer is shown, is not doubled by cron, and is replaced by schedule install", async () => {
    await using here = await pretend();
    const wants = join(here.machine.unitFolder, "timers.target.wants");
    for (const folder of [wants, here.machine.packagedUnitFolder])
      await mkdir(folder, { recursive: true });
    for (const kind of ["service", "timer"])
      await here.put(`packaged/acmectl-renew.${kind}`, await packaged(kind));
    expect((await showSchedules(here.machine)).foreign).toEqual([]);
    const timer = join(here.machine.packagedUnitFolder, "acmectl-renew.timer");
    await symlink(timer, join(wants, "acmectl-renew.timer"));
    expect((await showSchedules(here.machine)).foreign).toMatchObject([
      { where: join(here.machine.packagedUnitFolder, "acmectl-renew.service") },
    ]);
    expect(await intervalOn(here.machine)).toBe(6 * hour);
    await expect(here.install({ by: "cron" })).rejects.toMatchObject({
      hint: expect.stringContaining("systemctl disable --now acmectl-renew.timer"),
    });
    expect((await here.install()).outcome).toBe("installed");
    expect((await showSchedules(here.machine)).foreign).toEqual([]);
  });
});

describe("a renewal that was set up by hand", () => {
  it.each([
    ["crontab", "0 3 * * * /usr/bin/acmectl renew -q"],
    ["crontab", "0 3 * * * cd /srv && acmectl --state /srv/a renew"],
    ["crontab.system", "0 3 * * * root acmectl renew"],
    ["cron.d/certs", "0 3 * * * root /opt/node /opt/acmectl/bin/acmectl.js renew"],
    ["units/mine.service", "[Service]\nExecStart=/usr/bin/acmectl renew"],
  ])("a renewal set up by hand in %s is not doubled: %s", async (file, text) => {
    await using here = await pretend();
    for (const folder of ["cron.d", "units"]) await mkdir(join(here.folder, folder));
    await here.put(file, `${text}\n`);
    await expect(here.install()).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(text.split("\n").at(-1) ?? ""),
    });
    expect((await showSchedules(here.machine)).foreign).toHaveLength(1);
    expect((await here.install({ force: true })).outcome).toBe("installed");
  });

  it.each([
    "# 0 3 * * * acmectl renew",
    "0 3 * * * acmectl list",
    "0 3 * * * backup acmectl-renewals",
  ])("a line that is not a renewal does not stop schedule install: %s", async (text) => {
    await using here = await pretend();
    await here.put("crontab", `${text}\n`);
    expect((await here.install()).outcome).toBe("installed");
  });
});

describe("schedule install", () => {
  it.each([
    ["/home/ann/.npm/_npx/1234/node_modules/acmectl/bin/acmectl.js", "npx's cache"],
    ["/tmp/x/bin/acmectl.js", "temporary folder"],
    ["/home/ann/.cache/pnpm/dlx/x/bin/acmectl.js", "pnpm's cache"],
  ])("refuses to schedule %s, which will vanish", async (script, why) => {
    await using here = await pretend({
      program: { node: "/usr/bin/node", nodeOptions: [], script },
    });
    await expect(here.install({}, { program: here.machine.program })).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining(why),
    });
  });
});

describe("the command line of the schedule", () => {
  it("has no inspector that a signal opens, from the first moment, where Node.js can do that", async ({
    skip,
  }) => {
    const option = "--disable-sigusr1";
    skip(!process.allowedNodeEnvironmentFlags.has(option), "this Node.js has no such option");
    const { node, nodeOptions } = installedProgram();
    expect(nodeOptions).toContain(option);
    const code = "process.kill(process.pid, 'SIGUSR1'); setTimeout(() => {}, 300)";
    const ran = spawnSync(node, [...nodeOptions, "-e", code]);
    expect([ran.status, ran.stderr.toString()]).toEqual([0, ""]);
    await using here = await pretend();
    await here.install({ by: "cron" }, { program: { ...here.machine.program, nodeOptions } });
    expect(await here.text("crontab")).toContain(` ${option} `);
  });
});

describe("schedule show and remove", () => {
  it("schedule show prints where, what and when next, and schedule remove removes both kinds", async () => {
    await using here = await pretend();
    await here.install();
    const { installed } = await showSchedules(here.machine);
    expect(installed).toEqual([
      {
        by: "systemd",
        where: join(here.machine.unitFolder, "acmectl-renew.timer"),
        every: "12h",
        command: expect.stringContaining("acmectl.js renew -q"),
        next: new Date("2026-11-23T03:27:41Z"),
        active: true,
      },
    ]);
    await here.install({ by: "cron" });
    const [shown] = (await showSchedules(here.machine)).installed;
    expect(shown).toMatchObject({ by: "cron", next: new Date(2026, 10, 22, 15, 18) });
    expect(await removeSchedules(here.machine)).toEqual(["cron"]);
    expect(await here.text("crontab")).toBeUndefined();
    expect(await removeSchedules(here.machine)).toEqual([]);
  });
});
