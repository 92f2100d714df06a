/**
 * `npm run release`: everything that people install, into `release/`. Two runs from one commit give the same bytes: all times are
 * the commit's. nfpm comes from the Go module proxy; without Go or Debian's packages, a part is missing, which is a failure
 * unless `--partial` is given.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { writeExecutable } from "./executable.ts";
import { type Library, writeImage } from "./image.ts";
import manifest from "../package.json" with { type: "json" };

const nfpmVersion = "v2.41.0";
const root = resolve(import.meta.dirname, "..");
const release = join(root, "release");
const tools = join(root, ".cache", "release");
/** The forms that cannot be built here, and why. */
const missing: string[] = [];

function run(program: string, args: readonly string[], env: Record<string, string> = {}): string {
  const all = { ...process.env, ...env };
  return execFileSync(program, [...args], {
    cwd: root,
    env: all,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

rmSync(release, { recursive: true, force: true });
mkdirSync(release);
run("npm", ["pack", "--silent", "--pack-destination", release]);
const seconds = run("git", ["log", "-1", "--format=%ct"]).trim();
const staged = join(root, "stage");
stage(Number(seconds));
linuxPackages();
addLicenseOfNode();
billOfMaterials(image());
executable();
rmSync(staged, { recursive: true });
writeSums();
reportMissing();

function reportMissing(): void {
  for (const form of missing) process.stderr.write(`Not built: ${form}.\n`);
  if (missing.length === 0 || process.argv.includes("--partial")) return;
  process.stderr.write("Install what is missing, or run: npm run release -- --partial\n");
  process.exitCode = 1;
}

/** What is bundled, the Node.js that the executable and the image contain, and the image's libraries. */
function billOfMaterials(libraries: readonly Library[]): void {
  const bill = JSON.parse(readFileSync(join(root, "dist", "sbom.cdx.json"), "utf8"));
  const version = run(join(root, "node_modules/node/bin/node"), ["--version"]).trim().slice(1);
  const purl = `pkg:generic/node@${version}`;
  bill.components.push({ type: "platform", name: "node", version, purl }, ...libraries);
  writeFileSync(join(release, "acmectl.cdx.json"), `${JSON.stringify(bill, null, 1)}\n`);
}

function linuxPackages(): void {
  const nfpm = installedNfpm();
  if (nfpm === undefined) {
    missing.push(".deb and .rpm: Go is missing");
    return;
  }
  const env = { VERSION: manifest.version, SOURCE_DATE_EPOCH: seconds };
  for (const packager of ["deb", "rpm"]) {
    const args = ["--config", "packaging/linux/nfpm.yaml", "--packager", packager];
    run(nfpm, ["package", ...args, "--target", release], env);
  }
}

/** The image and the executable contain Node.js; the packages for Linux depend on it. */
function addLicenseOfNode(): void {
  const isNewMac = process.platform === "darwin" && process.arch === "arm64";
  const name = [isNewMac ? "node-bin" : "node", process.platform, process.arch].join("-");
  const { resolve: find } = createRequire(join(root, "node_modules/node/package.json"));
  const license = readFileSync(join(dirname(find(`${name}/package.json`)), "LICENSE"), "utf8");
  const notices = join(staged, "lib/dist/THIRD-PARTY-NOTICES");
  appendFileSync(notices, `\n${"-".repeat(80)}\n\nNode.js, https://nodejs.org\n\n${license}`);
}

function image(): readonly Library[] {
  const { version } = manifest;
  const time = Number(seconds);
  const [node, program] = [join(root, "node_modules/node/bin/node"), join(staged, "lib")];
  const target = join(release, `acmectl-${version}-linux-${process.arch}.oci.tar`);
  const work = join(staged, "layers");
  const libraries = writeImage(target, { program, node, cache: tools, work, version, time });
  if (libraries === undefined) missing.push("container image: Debian's packages are missing");
  return libraries ?? [];
}

function executable(): void {
  const name = `acmectl-${manifest.version}-${process.platform}-${process.arch}`;
  const [node, program] = [join(root, "node_modules/node/bin/node"), join(staged, "lib")];
  writeExecutable(join(release, name), { program, node, work: join(staged, "executable") });
}

/** What the packages contain, with modes and times that do not depend on this machine. */
function stage(time: number): void {
  const folder = staged;
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["bin", "dist", "schema", "package.json"]) {
    cpSync(join(root, part), join(folder, "lib", part), { recursive: true });
  }
  for (const shell of ["bash", "zsh", "fish"]) {
    const script = run(process.execPath, ["bin/acmectl.js", "completion", shell]);
    writeFileSync(join(folder, `acmectl.${shell}`), script);
  }
  const manual = join(folder, "man");
  mkdirSync(manual);
  run(process.execPath, ["--conditions=source", "packaging/man.ts", manual, String(time)]);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const isProgram = entry.isDirectory() || entry.name === "acmectl.js";
    chmodSync(path, isProgram ? 0o755 : 0o644);
    utimesSync(path, time, time);
  }
}

function installedNfpm(): string | undefined {
  const nfpm = join(tools, "nfpm");
  if (existsSync(nfpm)) return nfpm;
  try {
    const module = `github.com/goreleaser/nfpm/v2/cmd/nfpm@${nfpmVersion}`;
    run("go", ["install", module], { GOBIN: tools });
    return nfpm;
  } catch {
    return undefined;
  }
}

function writeSums(): void {
  const lines = readdirSync(release)
    .toSorted()
    .map((name) => {
      const bytes = readFileSync(join(release, name));
      return `${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`;
    });
  writeFileSync(join(release, "SHA256SUMS"), lines.join(""));
}
