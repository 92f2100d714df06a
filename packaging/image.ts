/**
 * The container image, without a container engine: three layers (the C library, Node.js, acmectl) in OCI image layout
 * (github.com/opencontainers/image-spec, v1.1), packed as one tar. Not root inside, and nothing is written outside the volume.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

export interface ImageParts {
  /** acmectl as it is installed, the content of /usr/lib/acmectl. */
  readonly program: string;
  /** The program `node`. */
  readonly node: string;
  /** Keeps what was downloaded. */
  readonly cache: string;
  /** A folder that is not there yet. */
  readonly work: string;
  readonly version: string;
  /** Seconds; the time of every file. */
  readonly time: number;
}

/** What CycloneDX says of one of Debian's packages. */
export interface Library {
  readonly type: "library";
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

/** What Node.js is linked with; Debian packages of the release that this machine runs. */
const libraries = ["libc6", "libgcc-s1", "libstdc++6"];
const state = "/var/lib/acmectl";
const user = 65_532;

/** Writes the image to the tar file `target`. Returns Debian's packages in it; undefined if they cannot be downloaded. */
export function writeImage(target: string, parts: ImageParts): readonly Library[] | undefined {
  const packages = downloaded(join(parts.cache, "image"));
  if (packages === undefined) return undefined;
  const folders = ["libraries", "node", "program", "state", "layout"].map((name) =>
    join(parts.work, name),
  );
  const [base = "", node = "", program = "", volume = "", layout = ""] = folders;
  for (const folder of folders) mkdirSync(folder, { recursive: true });

  for (const file of packages) execFileSync("dpkg-deb", ["--extract", file, base]);
  keepLicenses(join(base, "usr/share"));
  cpSync(parts.node, join(node, "usr/bin/node"));
  cpSync(parts.program, join(program, "usr/lib/acmectl"), {
    recursive: true,
    preserveTimestamps: true,
  });
  mkdirSync(join(program, "etc"));
  writeFileSync(join(program, "etc/passwd"), `acmectl:x:${user}:${user}::${state}:/sbin/nologin\n`);
  writeFileSync(join(program, "etc/group"), `acmectl:x:${user}:\n`);
  mkdirSync(join(volume, state), { recursive: true, mode: 0o700 });

  const blobs = openLayout(layout);
  const layers = [base, node, program, volume].map((folder) => {
    const tar = packed(folder, folder === volume ? user : 0, parts.time);
    return { id: digestOf(tar), layer: blobs.add("image.layer.v1.tar+gzip", gzipSync(tar)) };
  });
  const config = blobs.add(
    "image.config.v1+json",
    configOf(
      parts,
      layers.map(({ id }) => id),
    ),
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaType("image.manifest.v1+json"),
    config,
    layers: layers.map(({ layer }) => layer),
  };
  blobs.close(blobs.add("image.manifest.v1+json", manifest), parts.version);
  writeFileSync(target, packed(layout, 0, parts.time));
  return packages.map(libraryIn).filter(({ name }) => libraries.includes(name));
}

function downloaded(folder: string): readonly string[] | undefined {
  const files = () =>
    readdirSync(folder)
      .toSorted()
      .map((file) => join(folder, file));
  const download = (names: readonly string[]) =>
    execFileSync("apt-get", ["download", ...names], { cwd: folder, stdio: "ignore" });
  try {
    mkdirSync(folder, { recursive: true });
    if (files().length < libraries.length) download(libraries);
    // GCC's libraries have their copyright file in a package that they depend on.
    const depends = files().map((file) => fieldOf(file, "Depends"));
    const [carrier] = /\bgcc-\d+-base\b/.exec(depends.join()) ?? [];
    if (carrier !== undefined && !files().some((file) => basename(file).startsWith(carrier)))
      download([carrier]);
    return files();
  } catch {
    return undefined;
  }
}

function fieldOf(file: string, name: string): string {
  return execFileSync("dpkg-deb", ["--field", file, name], { encoding: "utf8" }).trim();
}

function libraryIn(file: string): Library {
  const [name, version] = [fieldOf(file, "Package"), fieldOf(file, "Version")];
  const [id, of] = [name, version].map(encodeURIComponent);
  const purl = `pkg:deb/debian/${id}@${of}?arch=${fieldOf(file, "Architecture")}`;
  return { type: "library", name, version, purl };
}

/** Of the packages' documentation only their copyright files, and the licenses that these refer to. */
function keepLicenses(share: string): void {
  for (const entry of readdirSync(share, { recursive: true, withFileTypes: true }))
    // A folder may be listed twice, since others are links to it.
    if (entry.isFile() && entry.name !== "copyright")
      rmSync(join(entry.parentPath, entry.name), { force: true });
  for (const name of readdirSync(share))
    if (name !== "doc") rmSync(join(share, name), { recursive: true });
  const licenses = "common-licenses";
  cpSync(join("/usr/share", licenses), join(share, licenses), {
    recursive: true,
    verbatimSymlinks: true,
  });
}

/** Order, owner and times do not depend on this machine. */
function packed(folder: string, owner: number, time: number): Buffer {
  const fixed = ["--sort=name", `--mtime=@${time}`, `--owner=${owner}`, `--group=${owner}`];
  const args = [
    "--create",
    "--format=gnu",
    "--numeric-owner",
    ...fixed,
    "--directory",
    folder,
    ".",
  ];
  return execFileSync("tar", args, { maxBuffer: 2 ** 30 });
}

function configOf({ version, time }: ImageParts, layers: readonly string[]) {
  const created = new Date(time * 1000).toISOString();
  return {
    created,
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: {
      User: `${user}:${user}`,
      // Compiled code is kept only where a writable /tmp is mounted, and not in the volume of the state.
      Env: ["PATH=/usr/bin", `HOME=${state}`, `ACMECTL_STATE=${state}`, "XDG_CACHE_HOME=/tmp"],
      Entrypoint: ["/usr/bin/node", "/usr/lib/acmectl/bin/acmectl.js"],
      Cmd: ["--help"],
      Volumes: { [state]: {} },
      Labels: { "org.opencontainers.image.version": version },
    },
    rootfs: { type: "layers", diff_ids: layers },
    history: layers.map(() => ({ created, created_by: "npm run release" })),
  };
}

/** `blobs/sha256/…`, the marker file, and an index with one manifest. */
function openLayout(folder: string) {
  const blobs = join(folder, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const writeJson = (name: string, value: unknown) =>
    writeFileSync(join(folder, name), JSON.stringify(value));
  return {
    add(type: string, content: Buffer | object) {
      const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
      const digest = digestOf(bytes);
      writeFileSync(join(blobs, digest.slice("sha256:".length)), bytes);
      return { mediaType: mediaType(type), digest, size: bytes.length };
    },
    close(manifest: object, version: string) {
      const name = `acmectl:${version}`;
      const annotations = {
        "org.opencontainers.image.ref.name": name,
        "io.containerd.image.name": `docker.io/library/${name}`,
      };
      writeJson("oci-layout", { imageLayoutVersion: "1.0.0" });
      writeJson("index.json", { schemaVersion: 2, manifests: [{ ...manifest, annotations }] });
    },
  };
}

function mediaType(name: string): string {
  return `application/vnd.oci.${name}`;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
