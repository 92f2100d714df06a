/** States with many certificates: one that was issued, copied under other names. */
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";

export interface Stored {
  readonly folder: string;
  /** A state folder with this many certificates, none of them due. */
  with(count: number): Promise<string>;
}

/** `state` holds one certificate called `name`. */
export function storedLike(state: string, name: string, folder: string): Stored {
  return {
    folder,
    async with(count) {
      const copy = join(folder, `stored-${count}`);
      if (existsSync(copy)) return copy;
      for (const part of await readdir(state)) {
        if (part !== "certificates")
          await cp(join(state, part), join(copy, part), { recursive: true });
      }
      await mkdir(join(copy, "certificates"), { recursive: true, mode: 0o700 });
      const source = join(state, "certificates", name);
      for (let index = 0; index < count; index += 1) {
        const other = `n${index}.example.test`;
        await copyCertificate(source, join(copy, "certificates", other), name, other);
      }
      return copy;
    },
  };
}

async function copyCertificate(from: string, to: string, name: string, other: string) {
  await mkdir(join(to, "versions", "1"), { recursive: true, mode: 0o700 });
  await symlink(join("versions", "1"), join(to, "current"));
  for (const file of ["certificate.json", ...(await filesOf(join(from, "versions", "1")))]) {
    const text = await readFile(join(from, file), "utf8");
    // Only called by another name: a certificate for other names would be damaged.
    const renamed = text.replace(`"name": "${name}"`, `"name": "${other}"`);
    await writeFile(join(to, file), renamed, { mode: 0o600 });
  }
}

async function filesOf(version: string): Promise<readonly string[]> {
  return (await readdir(version)).map((file) => join("versions", "1", file));
}
