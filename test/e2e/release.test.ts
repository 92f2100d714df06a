import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { find } from "../support/servers/catalog.ts";
import { temporaryFolder } from "../support/state.ts";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../../", import.meta.url));

describe.skipIf(find("go") === undefined || find("dpkg-deb") === undefined)(
  "npm run release",
  () => {
    let clone: Awaited<ReturnType<typeof temporaryFolder>>;
    let release: string;
    let first: string;
    const sums = () => readFile(join(release, "SHA256SUMS"), "utf8");
    // In a clone: a build here would change the bundle that other tests run.
    beforeAll(async () => {
      clone = await temporaryFolder();
      await run("git", ["clone", "--quiet", repository, join(clone.path, "acmectl")]);
      const cwd = join(clone.path, "acmectl");
      for (const shared of ["node_modules", ".cache"])
        await symlink(join(repository, shared), join(cwd, shared));
      release = join(cwd, "release");
      await run("npm", ["run", "release"], { cwd, timeout: 600_000 });
      first = await sums();
    }, 600_000);
    afterAll(() => clone?.[Symbol.asyncDispose]());

    test("lists the SHA-256 of the npm tarball, the .deb, the .rpm and the bill of materials", async () => {
      const files = (await readdir(release)).filter((name) => name !== "SHA256SUMS").toSorted();
      expect(files.map((name) => name.replace(/\d.*(?=\.)/, "*"))).toEqual(
        expect.arrayContaining([expect.stringMatching(/\.deb$/), expect.stringMatching(/\.rpm$/)]),
      );
      for (const name of files) {
        const sum = createHash("sha256")
          .update(await readFile(join(release, name)))
          .digest("hex");
        expect(first).toContain(`${sum}  ${name}\n`);
      }
    });

    test("gives the same bytes again", { timeout: 600_000 }, async () => {
      await using before = await temporaryFolder();
      await cp(release, join(before.path, "release"), { recursive: true });
      await rm(release, { recursive: true });
      await run("npm", ["run", "release"], { cwd: join(release, ".."), timeout: 600_000 });
      expect(await sums()).toBe(first);
    });

    test("the .deb has a program that runs, a timer, and completions", async () => {
      await using root = await temporaryFolder();
      const deb = (await readdir(release)).find((name) => name.endsWith(".deb")) ?? "";
      await run("dpkg-deb", ["-x", join(release, deb), root.path]);
      const program = join(root.path, "usr/lib/acmectl/bin/acmectl.js");
      const { stdout } = await run(process.execPath, [program, "solvers", "list"], {
        env: { HOME: root.path },
      });
      expect(stdout).toContain("route53");
      const timer = await readFile(
        join(root.path, "usr/lib/systemd/system/acmectl-renew.timer"),
        "utf8",
      );
      expect(timer).toContain("Persistent=true");
      const bash = await readFile(
        join(root.path, "usr/share/bash-completion/completions/acmectl"),
        "utf8",
      );
      expect(bash).toContain("complete");
      const { stdout: fields } = await run("dpkg-deb", ["-f", join(release, deb), "Depends"]);
      expect(fields.trim()).toContain("nodejs (>= 22.12)");
    });

    test("the bill of materials names what is bundled", async () => {
      const bill = JSON.parse(await readFile(join(release, "acmectl.cdx.json"), "utf8"));
      expect(bill.bomFormat).toBe("CycloneDX");
      const names = bill.components.map(({ name }: { name: string }) => name);
      expect(names).toEqual(expect.arrayContaining(["commander", "undici", "yaml"]));
    });
  },
);
