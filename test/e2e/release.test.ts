import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import {
  buildRelease,
  canInstall,
  cleanRoot,
  dpkgIn,
  fileWith,
  laterPackages,
  openImage,
  rpmIn,
  unpack,
  type Image,
} from "../support/release.ts";
import { available, find, program } from "../support/servers/catalog.ts";
import { temporaryFolder } from "../support/state.ts";

const run = promisify(execFile);
const outside = `import { defineSolver } from "acmectl/plugin";
export default defineSolver({
  summary: "mine", challengeTypes: ["http-01"], options: {},
  create: () => ({ present: async () => null, cleanup: async () => undefined }),
});`;

describe.skipIf(!canInstall)("npm run release", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let release: string;
  let image: Image;
  /** With what the .deb contains. */
  let installed: string;
  let later: string;
  const sums = (of: string) => readFile(join(of, "SHA256SUMS"), "utf8");
  beforeAll(async () => {
    folder = await temporaryFolder();
    release = await buildRelease(folder.path);
    image = await openImage(await fileWith(release, ".oci.tar"), join(folder.path, "layout"));
    installed = join(folder.path, "installed");
    await run("dpkg-deb", ["-x", await fileWith(release, ".deb"), installed]);
    later = await laterPackages(installed, release);
  }, 600_000);
  afterAll(() => folder?.[Symbol.asyncDispose]());

  test("writes every form, with SHA-256 sums that sha256sum accepts", async () => {
    const names = await readdir(release);
    expect(names.map((name) => name.replace(/\d+\.\d+\.\d+(-1)?/, "*")).toSorted()).toEqual(
      [
        "SHA256SUMS",
        `acmectl-*-linux-${process.arch}`,
        `acmectl-*-linux-${process.arch}.oci.tar`,
        "acmectl-*.noarch.rpm",
        "acmectl-*.tgz",
        "acmectl.cdx.json",
        "acmectl_*_all.deb",
      ].toSorted(),
    );
    const { stdout } = await run("sha256sum", ["--check", "SHA256SUMS"], { cwd: release });
    expect(stdout.match(/: OK$/gm)).toHaveLength(names.length - 1);
  });

  test("writes the same bytes in another folder", { timeout: 600_000 }, async () => {
    await using other = await temporaryFolder("another-folder-");
    expect(await sums(await buildRelease(other.path))).toBe(await sums(release));
  });

  test.each([
    ["deb", dpkgIn],
    ["rpm", rpmIn],
  ])(
    "the .%s is installed in a clean root, used, upgraded and removed, and what the user wrote stays",
    async (kind, packagesIn) => {
      if (kind === "rpm") expect(available("rpm")).toBe(true);
      await using root = await temporaryFolder();
      await cleanRoot(image, root.path);
      const packages = await packagesIn(root.path);
      const acmectl = async (...words: string[]) => {
        const env = { PATH: "/usr/bin", HOME: "/" };
        const all = [root.path, "/usr/bin/acmectl", ...words];
        return (await run("/usr/sbin/chroot", all, { env })).stdout;
      };
      const state = join(root.path, "var/lib/acmectl/certificates/example.test");
      const config = join(root.path, "etc/acmectl/config.yaml");
      const told = join(root.path, "var/tmp/systemctl");

      await packages.install(await fileWith(release, `.${kind}`));
      expect(await acmectl("--version")).toContain(await packages.version("acmectl"));
      expect(await readFile(told, "utf8")).toBe("daemon-reload\n");
      await writeFile(config, "defaults: { keyType: ec384 }\n");
      const issue = ["issue", "-d", "example.test", "--server", "local", "--standalone", "--json"];
      expect(JSON.parse(await acmectl(...issue))).toMatchObject({ outcome: "issued" });

      await packages.upgrade(await fileWith(later, `.${kind}`));
      expect(await packages.version("acmectl")).toBe("99.0.0");
      expect(await acmectl("list")).toContain("example.test");
      expect(await readFile(told, "utf8")).not.toContain("disable");

      const files = await packages.files("acmectl");
      await packages.remove("acmectl");
      const left = files.filter(
        (file) => /acmectl/.test(file) && existsSync(join(root.path, file)),
      );
      expect(left).toEqual(["/etc/acmectl"]);
      expect(await readFile(config, "utf8")).toContain("ec384");
      expect(existsSync(join(state, "current/privkey.pem"))).toBe(true);
      expect(await readFile(told, "utf8")).toMatch(
        /disable --now acmectl-renew\.timer\ndaemon-reload\n$/,
      );
    },
  );

  test("the .deb and the .rpm contain units that systemd accepts, completions and manual pages", async () => {
    const share = join(installed, "usr/share");
    for (const file of ["bash-completion/completions/acmectl", "zsh/vendor-completions/_acmectl"])
      expect(await readFile(join(share, file), "utf8")).toContain("acmectl");
    const pages = await readdir(join(share, "man/man1"));
    expect(pages).toEqual(expect.arrayContaining(["acmectl.1", "acmectl-issue.1"]));
    const deb = await fileWith(release, ".deb");
    const { stdout: depends } = await run("dpkg-deb", ["-f", deb, "Depends"]);
    expect(depends.trim()).toBe("nodejs (>= 22.12)");
    if (find("systemd-analyze") === undefined) return;
    const units = join(installed, "usr/lib/systemd/system");
    const verify = ["verify", "--man=no", join(units, "acmectl-renew.timer")];
    const { stderr } = await run("systemd-analyze", verify);
    // The program is not installed on this machine.
    expect(stderr.replaceAll(/.*acmectl is not executable.*\n/g, "")).toBe("");
  });

  test.skipIf(find("groff") === undefined)(
    "the manual pages are read by groff without a warning",
    async () => {
      const manual = join(installed, "usr/share/man/man1");
      const pages = (await readdir(manual)).map((page) => join(manual, page));
      const { stderr } = await run("groff", ["-man", "-ww", "-z", ...pages]);
      expect(stderr).toBe("");
      const words = ["-man", "-Tascii", "-P-cbou", join(manual, "acmectl-issue.1")];
      expect((await run("groff", words)).stdout).toContain("--domains");
    },
  );

  describe("the executable", () => {
    let executable: string;
    let home: string;
    const acmectl = async (...words: string[]) => {
      const env = { HOME: home, PATH: home, ACMECTL_STATE: join(home, "state") };
      return (await run(executable, words, { env })).stdout;
    };
    beforeAll(async () => {
      home = join(folder.path, "home");
      await mkdir(home);
      executable = join(home, "acmectl");
      await cp(await fileWith(release, `-${process.platform}-${process.arch}`), executable);
    });

    test("issues, and loads built-in solvers and a solver from outside", async () => {
      expect(await acmectl("--version")).toMatch(/^acmectl \d/);
      expect(await acmectl("solvers", "list")).toContain("route53");
      const words = ["issue", "-d", "example.test", "--server", "local", "--json"];
      expect(JSON.parse(await acmectl(...words, "--standalone"))).toMatchObject({
        outcome: "issued",
      });
      const file = join(home, "mine.ts");
      await writeFile(file, outside);
      expect(await acmectl("solvers", "show", file)).toContain("mine");
    });

    test("plans its own renewal by cron, with variables from a file", async () => {
      await writeFile(join(home, "crontab"), "#!/bin/sh\n", { mode: 0o755 });
      const variables = join(home, "environment");
      const state = join(home, "state");
      await writeFile(variables, `ACMECTL_STATE=${state}\n`, { mode: 0o600 });
      const install = ["schedule", "install", "--dry-run", "--force", "--by", "cron"];
      const planned = await acmectl(...install, "--environment-file", variables);
      expect(planned).toContain(`${executable} --env-file=${variables} renew -q`);
      const listing = run(executable, [`--env-file=${variables}`, "list"], { env: {} });
      expect((await listing).stdout).toContain("example.test");
    });

    test("cleans up and ends with 143 when SIGTERM stops it", async () => {
      await using issuing = await startIssuing();
      const webroot = join(home, "webroot");
      await mkdir(webroot);
      const challenges = join(webroot, ".well-known/acme-challenge");
      const words = ["issue", "-d", "stopped.test", "--webroot", webroot, "--no-self-check"];
      const running = run(executable, [...words, ...issuing.words], { env: { HOME: home } });
      const seen: string[][] = [];
      issuing.ca.faults.add({
        on: "challenge",
        do: {
          call: async () => {
            seen.push(await readdir(challenges));
            running.child.kill("SIGTERM");
          },
          delay: 2_000,
        },
      });
      await expect(running).rejects.toMatchObject({ code: 143 });
      expect(seen[0]).toHaveLength(1);
      expect(existsSync(challenges) ? await readdir(challenges) : []).toEqual([]);
    });
  });

  test("the image issues from a read-only root, as another user than root, with its state in the volume", async () => {
    const [system, volume] = ["system", "volume"].map((name) => join(folder.path, name));
    await unpack(image.layers, `${system}`);
    await mkdir(`${volume}`);
    const { User, Env, Entrypoint, Volumes } = image.config;
    const uid = Number(User.split(":")[0]);
    expect(uid).toBeGreaterThan(0);
    expect(Object.keys(Volumes)).toEqual(["/var/lib/acmectl"]);
    await chown(`${volume}`, uid, uid);
    const mounts = [
      'mount --bind "$0" "$0"',
      'mount --bind "$1" "$0/var/lib/acmectl"',
      'mount -o remount,bind,ro "$0"',
      'exec chroot --userspec="$2" "$0" "${@:3}"',
    ].join(" && ");
    const env = {
      ...Object.fromEntries(Env.map((line) => line.split("="))),
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    };
    const inside = async (...command: string[]) => {
      const words = ["--mount", "bash", "-c", mounts, `${system}`, `${volume}`, User, ...command];
      return (await run("unshare", words, { env })).stdout;
    };
    const writes = "fs.writeFileSync('/usr/lib/acmectl/x', '')";
    const [node = "", ...script] = Entrypoint;
    await expect(inside(node, "-e", writes)).rejects.toThrow("EROFS");
    expect(await inside(node, "-p", "process.getuid()")).toBe(`${uid}\n`);
    const issue = ["issue", "-d", "example.test", "--server", "local", "--standalone", "--json"];
    expect(JSON.parse(await inside(node, ...script, ...issue))).toMatchObject({
      outcome: "issued",
    });
    const key = join(`${volume}`, "certificates/example.test/current/privkey.pem");
    expect((await stat(key)).uid).toBe(uid);
    expect(await inside(node, ...script, "list")).toContain("example.test");
    // Compiled code is no state.
    expect(await readdir(`${volume}`)).not.toContain(".cache");
  });

  test.skipIf(!available("skopeo"))(
    "the image is read by skopeo, which checks every digest",
    async () => {
      const { file, env } = program("skopeo");
      const source = `oci-archive:${await fileWith(release, ".oci.tar")}`;
      const target = `dir:${join(folder.path, "copied")}`;
      const words = ["--insecure-policy", "--tmpdir", folder.path, "copy", source, target];
      await run(file, words, { env: { ...process.env, ...env } });
      const copied = await readdir(join(folder.path, "copied"));
      for (const layer of image.layers) expect(copied).toContain(basename(layer));
    },
  );

  test("image and executable contain the licenses of Node.js, and the image those of its libraries", async () => {
    const node = "Node.js is licensed for use as follows";
    const system = join(folder.path, "licenses");
    await unpack(image.layers, system);
    const read = (file: string) => readFile(join(system, file), "utf8");
    for (const library of ["libc6", "libgcc-s1", "libstdc++6"])
      expect(await read(`usr/share/doc/${library}/copyright`)).toContain("common-licenses");
    expect(await read("usr/share/common-licenses/LGPL-2.1")).toContain("LESSER GENERAL PUBLIC");
    expect(await read("usr/lib/acmectl/dist/THIRD-PARTY-NOTICES")).toContain(node);
    const executable = await fileWith(release, `-${process.platform}-${process.arch}`);
    expect((await readFile(executable)).includes(node)).toBe(true);
  });

  test("the bill of materials names what is bundled, the Node.js of executable and image, and the image's libraries", async () => {
    const bill = JSON.parse(await readFile(join(release, "acmectl.cdx.json"), "utf8"));
    expect(bill.bomFormat).toBe("CycloneDX");
    const named = ({ name, version }: { name: string; version: string }) => `${name} ${version}`;
    const names: string[] = bill.components.map(named);
    const lib = join(installed, "usr/lib/acmectl/dist");
    const notices = await readFile(join(lib, "THIRD-PARTY-NOTICES"), "utf8");
    const noticed = notices.match(/^\S+ \d+\.\d+\.\d+[^,\s]*(?=,)/gm) ?? [];
    expect(noticed.length).toBeGreaterThan(20);
    const debian = ["libc6", "libgcc-s1", "libstdc++6"];
    const isDebian = (name: string) => debian.includes(name.split(" ")[0] ?? "");
    expect(names.filter(isDebian)).toHaveLength(debian.length);
    const others = names.filter((name) => !isDebian(name));
    expect(others.toSorted()).toEqual([...noticed, `node ${process.versions.node}`].toSorted());
  });
});
