import { copyFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";

const [good, bad] = ["a.example.test", "b.example.test"];

const damages: Readonly<Record<string, (folder: string, other: string) => Promise<void>>> = {
  "without its link": (folder) => rm(join(folder, "current")),
  "with a link to nothing": async (folder) => {
    await rm(join(folder, "current"));
    await symlink("versions/7", join(folder, "current"));
  },
  "with an empty key": (folder) => writeFile(join(folder, "versions/1/privkey.pem"), ""),
  "with the key of another certificate": (folder, other) =>
    copyFile(join(other, "versions/1/privkey.pem"), join(folder, "versions/1/privkey.pem")),
  "with an empty fullchain": (folder) => writeFile(join(folder, "versions/1/fullchain.pem"), ""),
  "without all its versions": async (folder) => {
    await rm(join(folder, "current"));
    await rm(join(folder, "versions"), { recursive: true });
  },
};

test.each(Object.entries(damages))(
  "a certificate %s is shown as damaged, and renew issues it again",
  async (_, damage) => {
    await using issuing = await startIssuing();
    for (const name of [good, bad]) expect((await issuing.issue(["-d", name])).code).toBe(0);
    const folderOf = (name: string) => join(issuing.state, "certificates", name);
    await damage(folderOf(bad), folderOf(good));

    expect((await issuing.run(["list"])).stdout).toMatch(/^b\.example\.test .* damaged$/m);
    expect((await issuing.run(["status"])).stdout).toMatch(
      /^b\.example\.test +damaged .*re-issue/m,
    );
    expect((await issuing.run(["plan"])).stdout).toMatch(/^b\.example\.test +re-issue +now /m);
    const shown = await issuing.run(["status", bad]);
    expect(shown.stdout).toContain("The certificate is damaged: ");
    expect(shown.stdout).not.toContain("No certificate has been issued yet");
    const metrics = await issuing.run(["status", "--format", "prometheus"]);
    expect(metrics.stdout).toContain("acmectl_certificates 2\n");
    expect(metrics.stdout).toContain(`_condition{name="${bad}",condition="Ready"} 0\n`);
    const check = await issuing.run(["status", "--check"]);
    expect(check).toMatchObject({
      code: 11,
      stdout: `acmectl: 1 of 2 certificates: ${bad} (damaged)\n`,
    });
    expect(check.stderr).toContain("acmectl state check --repair");
    expect((await issuing.run(["state", "check"])).code).toBe(3);

    const renewed = await issuing.run(["renew", "--no-jitter"]);
    expect(renewed, renewed.stderr).toMatchObject({ code: 0 });
    expect(renewed.stdout).toContain(bad);
    expect(renewed.stderr.split("acmectl will issue").length).toBeLessThanOrEqual(2);
    expect((await issuing.run(["status", "--check"])).code).toBe(0);
    expect((await issuing.run(["state", "check"])).code).toBe(0);
  },
);
