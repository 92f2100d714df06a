/**
 * The container image, without a container engine: three layers (the C library, Node.js, acmectl) in OCI image layout
 * (github.com/opencontainers/image-spec, v1.1), packed as one tar. Not root inside, and nothing is written outside the volume.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

/** What Node.js is linked with; Debian packages of the release that this machine runs. */
const libraries = ["libc6", "libgcc-s1", "libstdc++6"];
const state = "/var/lib/acmectl";
const user = 65_532;

/** Writes the image to the tar file `target`. Returns false if Debian's packages cannot be downloaded. */
export function writeImage(target: string, parts: ImageParts): boolean {
  const packages = downloaded(join(parts.cache, "image"));
  if (packages === undefined) return false;
  const folders = ["libraries", "node", "program", "state", "layout"].map((name) =>
    join(parts.work, name),
  );
  const [base = "", node = "", program = "", volume = "", layout = ""] = folders;
  for (const folder of folders) mkdirSync(folder, { recursive: true });

  for (const file of packages) execFileSync("dpkg-deb", ["--extract", file, base]);
  rmSync(join(base, "usr/share"), { recursive: true, force: true });
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
  return true;
}

function downloaded(folder: string): readonly string[] | undefined {
  try {
    mkdirSync(folder, { recursive: true });
    if (readdirSync(folder).length < libraries.length)
      execFileSync("apt-get", ["download", ...libraries], { cwd: folder, stdio: "ignore" });
    return readdirSync(folder)
      .toSorted()
      .map((file) => join(folder, file));
  } catch {
    return undefined;
  }
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
      Env: ["PATH=/usr/bin", `HOME=${state}`, `ACMECTL_STATE=${state}`],
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
