/** What `npm run release` writes, and roots to install it in. */
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { find, program } from "./servers/catalog.ts";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../../", import.meta.url));

/** Builds a release in a clone below `folder`, since a build here would change the bundle that other tests run. */
export async function buildRelease(folder: string): Promise<string> {
  const clone = join(folder, "acmectl");
  await run("git", ["clone", "--quiet", repository, clone]);
  for (const shared of ["node_modules", ".cache"])
    await symlink(join(repository, shared), join(clone, shared));
  await run("npm", ["run", "release", "--", "--partial"], { cwd: clone, timeout: 600_000 });
  return join(clone, "release");
}

/** The file in `folder` that ends like this. */
export async function fileWith(folder: string, ending: string): Promise<string> {
  const name = (await readdir(folder)).find((file) => file.endsWith(ending));
  if (name === undefined) throw new Error(`${folder} has no *${ending}`);
  return join(folder, name);
}

export interface Image {
  readonly config: { User: string; Env: string[]; Entrypoint: string[]; Volumes: object };
  /** Archives, the lowest layer first: libraries, Node.js, acmectl, the empty volume. */
  readonly layers: readonly string[];
}

/** Opens an image in OCI layout, in `folder`. */
export async function openImage(file: string, folder: string): Promise<Image> {
  await mkdir(folder, { recursive: true });
  await run("tar", ["-xf", file, "-C", folder]);
  const blob = (digest: string) => join(folder, "blobs", digest.replace(":", "/"));
  const read = async (path: string) => JSON.parse(await readFile(path, "utf8"));
  const index = await read(join(folder, "index.json"));
  const manifest = await read(blob(index.manifests[0].digest));
  const { config } = await read(blob(manifest.config.digest));
  const layers: { digest: string }[] = manifest.layers;
  return { config, layers: layers.map(({ digest }) => blob(digest)) };
}

/** Unpacks layers of an image, with their owners and modes. */
export async function unpack(layers: readonly string[], root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  for (const layer of layers) await run("tar", ["-xpf", layer, "-C", root]);
}

/** A root with Node.js, what it is linked with, a shell, and a systemctl that writes to /var/tmp what it is asked. */
export async function cleanRoot({ layers }: Image, root: string): Promise<void> {
  await unpack(layers.slice(0, 2), root);
  for (const folder of ["run/systemd/system", "var/tmp", "tmp", "usr/bin"])
    await mkdir(join(root, folder), { recursive: true });
  await cp("/bin/sh", join(root, "usr/bin/sh"), { dereference: true });
  await symlink("usr/bin", join(root, "bin"));
  await cp("/usr/bin/env", join(root, "usr/bin/env"));
  await cp(join(import.meta.dirname, "programs/systemctl"), join(root, "usr/bin/systemctl"));
}

/** Where scripts of packages find systemctl's HOME. */
const env = { ...process.env, HOME: "/var/tmp" };

/** A package manager at work in a root of its own. */
export interface Packages {
  install(file: string): Promise<unknown>;
  upgrade(file: string): Promise<unknown>;
  remove(name: string): Promise<unknown>;
  /** Of an installed package. */
  version(name: string): Promise<string>;
  files(name: string): Promise<readonly string[]>;
}

/** Node.js is in the root, but not as a package. */
export async function dpkgIn(root: string): Promise<Packages> {
  const admin = join(root, "var/lib/dpkg");
  for (const folder of ["info", "updates", "triggers"])
    await mkdir(join(admin, folder), { recursive: true });
  await cp("/dev/null", join(admin, "status"), { force: false });
  const dpkg = (...words: string[]) =>
    run("dpkg", [`--root=${root}`, "--force-depends", ...words], { env });
  const query = async (...words: string[]) =>
    (await run("dpkg-query", [`--admindir=${admin}`, ...words])).stdout.trim();
  return {
    install: (file) => dpkg("--install", file),
    upgrade: (file) => dpkg("--install", file),
    remove: (name) => dpkg("--remove", name),
    version: (name) => query("--show", "--showformat", "${Version}", name),
    files: async (name) => (await query("--listfiles", name)).split("\n"),
  };
}

export async function rpmIn(root: string): Promise<Packages> {
  const rpm = program("rpm");
  const [usr] = rpm.file.split("/bin/");
  const inRoot = async (...words: string[]) => {
    const all = ["--root", root, "--dbpath", "/var/lib/rpm", ...words];
    const settings = { ...env, ...rpm.env, RPM_CONFIGDIR: `${usr}/lib/rpm` };
    return (await run(rpm.file, all, { env: settings })).stdout.trim();
  };
  return {
    install: (path) => inRoot("--nodeps", "--install", path),
    upgrade: (path) => inRoot("--nodeps", "--upgrade", path),
    remove: (name) => inRoot("--erase", name),
    version: (name) => inRoot("--query", "--queryformat", "%{VERSION}", name),
    files: async (name) => (await inRoot("--query", "--list", name)).split("\n"),
  };
}

/** The packages once more, as version 99.0.0, made of what `installed` (a root) contains; returns their folder. */
export async function laterPackages(installed: string, release: string): Promise<string> {
  const clone = join(release, "..");
  const stage = join(clone, "stage");
  const share = join(installed, "usr/share");
  await cp(join(installed, "usr/lib/acmectl"), join(stage, "lib"), { recursive: true });
  await cp(join(share, "man/man1"), join(stage, "man"), { recursive: true });
  const completions = {
    bash: "bash-completion/completions/acmectl",
    zsh: "zsh/vendor-completions/_acmectl",
    fish: "fish/vendor_completions.d/acmectl.fish",
  };
  for (const [shell, path] of Object.entries(completions))
    await cp(join(share, path), join(stage, `acmectl.${shell}`));
  const target = join(clone, "later");
  await mkdir(target);
  for (const packager of ["deb", "rpm"]) {
    const words = ["package", "--config", "packaging/linux/nfpm.yaml", "--packager", packager];
    await run(join(clone, ".cache/release/nfpm"), [...words, "--target", target], {
      cwd: clone,
      env: { ...process.env, VERSION: "99.0.0" },
    });
  }
  return target;
}

/** True where a release can be built and its packages can be installed: chroot and mounts need root. */
export const canInstall =
  ["go", "dpkg", "dpkg-deb", "apt-get"].every((name) => find(name) !== undefined) &&
  process.getuid?.() === 0;
