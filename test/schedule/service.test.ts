import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { removeSchedules } from "../../src/schedule/schedule.ts";
import { installService, type ServiceOptions } from "../../src/schedule/service.ts";
import { showSchedules } from "../../src/schedule/show.ts";
import { runUnit, unitMark } from "../../src/schedule/units.ts";
import { find } from "../support/servers/catalog.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";
import { pretend } from "./pretend.ts";

const options: ServiceOptions = { listen: [], force: false, dryRun: false, writable: [] };
const page = () => readFile(new URL("../../docs/run.md", import.meta.url), "utf8");
const documented = runUnit(
  {
    program: { node: "/usr/bin/acmectl", nodeOptions: [] },
    stateFolder: "/var/lib/acmectl",
    configPath: "/etc/acmectl/config.yaml",
    environmentFile: "-/etc/acmectl/environment",
    jitter: false,
  },
  ["127.0.0.1:9402"],
  { root: true, writable: [] },
);

describe("schedule install --service", () => {
  test("writes a unit, starts it, and does nothing the second time", async () => {
    await using here = await pretend();
    const installed = await installService(here.job, options, here.machine);
    expect(installed.outcome).toBe("installed");
    expect(await here.units()).toEqual(["acmectl-run.service"]);
    expect(await here.text("units/acmectl-run.service")).toContain(
      "ExecStart=/usr/bin/node /usr/lib/acmectl/bin/acmectl.js run --state /var/lib/acmectl --config /etc/acmectl/config.yaml\n",
    );
    expect((await here.text("systemctl"))?.replace(/^show .*\n/, "")).toBe(
      "daemon-reload\nenable acmectl-run.service\nrestart acmectl-run.service\n",
    );
    expect((await installService(here.job, options, here.machine)).outcome).toBe("unchanged");
    const more = { ...options, listen: ["unix:/run/acmectl/health.sock"] };
    expect((await installService(here.job, more, here.machine)).outcome).toBe("replaced");
    expect(await here.text("units/acmectl-run.service")).toContain(
      " run --listen unix:/run/acmectl/health.sock --state ",
    );
  });

  test("schedule show and remove know the service", async () => {
    await using here = await pretend();
    await installService(here.job, options, here.machine);
    const { installed } = await showSchedules(here.machine);
    expect(installed).toEqual([
      expect.objectContaining({
        by: "systemd",
        where: join(here.machine.unitFolder, "acmectl-run.service"),
        service: "Waiting until 2026-11-23 03:27: shop",
        active: true,
      }),
    ]);
    expect(await removeSchedules(here.machine)).toEqual(["service"]);
    expect(await here.units()).toEqual([]);
    expect(await here.text("systemctl")).toContain("disable --now acmectl-run.service\n");
  });

  test("a schedule and the service are not installed together", async () => {
    await using here = await pretend();
    await here.install();
    await expect(installService(here.job, options, here.machine)).rejects.toThrow(
      /acmectl-renew.timer runs acmectl renew, and the service would renew the same/,
    );
    await removeSchedules(here.machine);
    await here.install({ by: "cron" });
    await expect(installService(here.job, options, here.machine)).rejects.toThrow(
      "the crontab of this user runs acmectl renew",
    );
    await removeSchedules(here.machine);
    await installService(here.job, options, here.machine);
    await expect(here.install()).rejects.toThrow(/runs acmectl as a service/);
    await expect(here.install({ by: "cron" })).rejects.toThrow(/runs acmectl as a service/);
  });

  test("a service or a schedule set up by hand is reported instead of doubled", async () => {
    await using here = await pretend();
    await mkdir(here.machine.unitFolder);
    await here.put("units/acmectl-run.service", documented.replace(`${unitMark}\n`, ""));
    await expect(installService(here.job, options, here.machine)).rejects.toThrow(
      "was not written by acmectl",
    );
    await expect(here.install()).rejects.toMatchObject({
      message: expect.stringMatching(/acmectl-run.service already runs acmectl: ExecStart=/),
      hint: expect.stringContaining("systemctl disable --now acmectl-run, then"),
    });
    expect((await showSchedules(here.machine)).foreign).toHaveLength(1);
  });

  test("keeps the file with variables, and a dry run changes nothing", async () => {
    await using here = await pretend();
    await here.put("environment", "A=b\n");
    const job = { ...here.job, environmentFile: join(here.folder, "environment") };
    const dry = await installService(job, { ...options, dryRun: true }, here.machine);
    expect(dry).toMatchObject({ outcome: "dry-run" });
    expect(await here.units()).toEqual([]);
    await installService(job, options, here.machine);
    const again = await installService(here.job, options, here.machine);
    expect(again).toMatchObject({ outcome: "unchanged", environmentFile: job.environmentFile });
  });

  test("needs systemd; a user's service is not confined", async () => {
    await using here = await pretend({ systemd: false });
    await expect(installService(here.job, options, here.machine)).rejects.toThrow(
      "systemd does not run on this machine",
    );
    await using user = await pretend({ uid: 1000 });
    const { unit } = await installService(user.job, options, user.machine);
    expect(unit).toContain("WantedBy=default.target");
    expect(unit).not.toContain("ProtectSystem");
  });

  test("options of a schedule are refused with --service, and --listen without", async () => {
    await using folder = await temporaryFolder();
    const words = ["--state", join(folder.path, "state"), "--force", "--dry-run"];
    const env = { HOME: folder.path, PATH: "/usr/bin:/bin" };
    const both = await acmectl(["schedule", "install", "--service", "--every", "1h", ...words], {
      env,
    }).ended;
    expect(both).toMatchObject({ code: 2, stderr: /--every is for a schedule/ });
    const alone = await acmectl(["schedule", "install", "--listen", "9402", ...words], { env })
      .ended;
    expect(alone).toMatchObject({ code: 2, stderr: /--listen is for --service/ });
  });

  test("docs/run.md shows the unit that is installed", async () => {
    const text = await page();
    const shown = /<!-- unit -->\s+```ini\n(.*?)```/s.exec(text)?.[1];
    expect(shown).toBe(documented.replace(`${unitMark}\n`, ""));
  });

  const analyze = find("systemd-analyze");
  test.skipIf(analyze === undefined)("systemd accepts the unit", async () => {
    await using folder = await temporaryFolder("acmectl-unit-");
    const file = join(folder.path, "acmectl-run.service");
    await writeFile(file, documented.replace("/usr/bin/acmectl", process.execPath));
    const { stdout, stderr } = await promisify(execFile)(analyze ?? "", [
      "verify",
      "--man=no",
      file,
    ]);
    expect(`${stdout}${stderr}`).not.toMatch(/acmectl-run\.service/);
  });
});
