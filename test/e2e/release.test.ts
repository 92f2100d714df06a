import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  chown,
  cp,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { find } from "../support/servers/catalog.ts";
import { temporaryFolder } from "../support/state.ts";

const run = promisify(execFile);
const isDeb = (name: string) => name.endsWith(".deb");
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

    test("the .deb is installed, used, upgraded and removed, and what the user wrote stays", async () => {
      await using root = await temporaryFolder();
      const admin = join(root.path, "var/lib/dpkg");
      for (const folder of ["info", "updates", "triggers"])
        await mkdir(join(admin, folder), { recursive: true });
      await writeFile(join(admin, "status"), "");
      // Node.js is not in this root, so the dependency is not either.
      const dpkg = (...words: string[]) =>
        run("dpkg", [`--root=${root.path}`, "--force-depends", "--force-not-root", ...words]);
      const installed = async () => {
        const { stdout } = await run("dpkg-query", [`--admindir=${admin}`, "-W", "acmectl"]);
        return stdout.trim().split("\t")[1];
      };
      const acmectl = join(root.path, "usr/lib/acmectl/bin/acmectl.js");
      const state = join(root.path, "var/lib/acmectl");
      const list = async () => {
        const words = ["list", "--json", "--state", state, "--config", config];
        return JSON.parse((await run(process.execPath, [acmectl, ...words], { env })).stdout);
      };
      const config = join(root.path, "etc/acmectl/config.yaml");
      const env = { HOME: root.path };

      const deb = join(release, (await readdir(release)).find(isDeb) ?? "");
      await dpkg("--install", deb);
      const version = await installed();
      expect(version).toMatch(/^\d+\.\d+\.\d+/);
      await writeFile(config, "# mine\n");
      await mkdir(state, { mode: 0o700 });
      expect((await list()).outcome).toBe("listed");

      const newer = join(root.path, "newer");
      await run("dpkg-deb", ["--raw-extract", deb, newer]);
      const control = join(newer, "DEBIAN/control");
      const fields = await readFile(control, "utf8");
      await writeFile(control, fields.replace(/^Version: .*/m, "Version: 99.0.0"));
      // nfpm writes an empty list, which dpkg-deb does not.
      await rm(join(newer, "DEBIAN/conffiles"), { force: true });
      await run("dpkg-deb", ["--root-owner-group", "--build", newer, `${newer}.deb`]);
      await dpkg("--install", `${newer}.deb`);
      expect(await installed()).toBe("99.0.0");
      expect((await list()).outcome).toBe("listed");

      await dpkg("--remove", "acmectl");
      expect(existsSync(acmectl)).toBe(false);
      expect(existsSync(join(root.path, "usr/share/man/man1/acmectl.1"))).toBe(false);
      expect(await readFile(config, "utf8")).toBe("# mine\n");
      expect(existsSync(state)).toBe(true);
    });

    test.skipIf(find("groff") === undefined)(
      "the .deb has a manual page for each command, without a warning from groff",
      async () => {
        await using root = await temporaryFolder();
        const deb = (await readdir(release)).find(isDeb) ?? "";
        await run("dpkg-deb", ["-x", join(release, deb), root.path]);
        const manual = join(root.path, "usr/share/man/man1");
        const pages = await readdir(manual);
        expect(pages).toEqual(expect.arrayContaining(["acmectl.1", "acmectl-issue.1"]));
        for (const page of pages) {
          const { stderr } = await run("groff", ["-man", "-ww", "-z", join(manual, page)]);
          expect(stderr, page).toBe("");
        }
        const { stdout } = await run("groff", [
          "-man",
          "-Tascii",
          "-P-cbou",
          join(manual, "acmectl-issue.1"),
        ]);
        expect(stdout).toContain("--domains");
      },
    );

    test("the executable issues, loads a solver from outside, and plans its own renewal", async () => {
      await using folder = await temporaryFolder();
      const name = `-${process.platform}-${process.arch}`;
      const built = (await readdir(release)).find((file) => file.endsWith(name)) ?? "";
      const executable = join(folder.path, "acmectl");
      await cp(join(release, built), executable);
      const state = join(folder.path, "state");
      const env = { HOME: folder.path, PATH: folder.path, ACMECTL_STATE: state };
      const acmectl = async (...words: string[]) => (await run(executable, words, { env })).stdout;
      expect(await acmectl("--version")).toMatch(/^acmectl \d/);
      expect(await acmectl("solvers", "list")).toContain("route53");
      const words = ["issue", "-d", "example.test", "--server", "local", "--json"];
      const issued = JSON.parse(await acmectl(...words, "--standalone"));
      expect(issued.outcome).toBe("issued");
      const outside = join(folder.path, "mine.ts");
      await writeFile(
        outside,
        `import { defineSolver } from "acmectl/plugin";
        export default defineSolver({
          summary: "mine", challengeTypes: ["http-01"], options: {},
          create: () => ({ present: async () => null, cleanup: async () => undefined }),
        });`,
      );
      expect(await acmectl("solvers", "show", outside)).toContain("mine");
      // Nothing is read from it but that there are no lines yet.
      await writeFile(join(folder.path, "crontab"), "#!/bin/sh\n", { mode: 0o755 });
      const variables = join(folder.path, "environment");
      await writeFile(variables, `ACMECTL_STATE=${state}\n`, { mode: 0o600 });
      const install = ["schedule", "install", "--dry-run", "--force", "--by", "cron"];
      const planned = await acmectl(...install, "--environment-file", variables);
      expect(planned).toContain(`${executable} --env-file=${variables} renew -q`);
      const listing = run(executable, [`--env-file=${variables}`, "list"], { env: {} });
      expect((await listing).stdout).toContain("example.test");
    });

    // A mount namespace and chroot need root.
    test.skipIf(process.getuid?.() !== 0 || find("apt-get") === undefined)(
      "the image issues a certificate from a read-only root, as another user than root",
      async () => {
        await using root = await temporaryFolder();
        const [layout, system, volume] = ["layout", "system", "volume"].map((name) =>
          join(root.path, name),
        );
        for (const folder of [layout, system, volume]) await mkdir(`${folder}`);
        const image = (await readdir(release)).find((name) => name.endsWith(".oci.tar")) ?? "";
        await run("tar", ["-xf", join(release, image), "-C", `${layout}`]);
        const blob = (digest: string) => join(`${layout}`, "blobs", digest.replace(":", "/"));
        const read = async (file: string) => JSON.parse(await readFile(file, "utf8"));
        const index = await read(join(`${layout}`, "index.json"));
        const manifest = await read(blob(index.manifests[0].digest));
        const { config, rootfs } = await read(blob(manifest.config.digest));
        expect(rootfs.diff_ids).toHaveLength(manifest.layers.length);
        for (const { digest } of manifest.layers)
          await run("tar", ["-xpf", blob(digest), "-C", `${system}`]);
        const [user] = config.User.split(":");
        await chown(`${volume}`, Number(user), Number(user));
        const mounts = [
          'mount --bind "$0" "$0"',
          'mount --bind "$1" "$0/var/lib/acmectl"',
          'mount -o remount,bind,ro "$0"',
          'exec chroot --userspec="$2" "$0" "${@:3}"',
        ].join(" && ");
        const words = [
          "issue",
          "-d",
          "example.test",
          "--server",
          "local",
          "--standalone",
          "--json",
        ];
        const inside = [
          "unshare",
          "--mount",
          "bash",
          "-c",
          mounts,
          `${system}`,
          `${volume}`,
          config.User,
        ];
        const env = Object.fromEntries(config.Env.map((line: string) => line.split("=")));
        const { stdout } = await run("env", [...inside, ...config.Entrypoint, ...words], {
          env: { ...env, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        });
        expect(JSON.parse(stdout)).toMatchObject({ outcome: "issued" });
        const key = join(`${volume}`, "certificates/example.test/current/privkey.pem");
        expect((await stat(key)).uid).toBe(Number(user));
      },
    );

    test("the .deb has a program that runs, a timer, and completions", async () => {
      await using root = await temporaryFolder();
      const deb = (await readdir(release)).find(isDeb) ?? "";
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
