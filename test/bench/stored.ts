/** States with many certificates: one that was issued, copied under other names. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

export interface Stored {
  readonly folder: string;
  /** A state folder with this many certificates, none of them due. */
  with(count: number): string;
}

/** `state` holds one certificate called `name`. */
export function storedLike(state: string, name: string, folder: string): Stored {
  return {
    folder,
    with(count) {
      const copy = join(folder, `stored-${count}`);
      if (existsSync(copy)) return copy;
      for (const part of readdirSync(state)) {
        if (part !== "certificates")
          cpSync(join(state, part), join(copy, part), { recursive: true });
      }
      mkdirSync(join(copy, "certificates"), { recursive: true, mode: 0o700 });
      const files = filesOf(join(state, "certificates", name));
      for (let index = 0; index < count; index += 1) {
        const other = `n${index}.example.test`;
        const to = join(copy, "certificates", other);
        mkdirSync(join(to, "versions", "1"), { recursive: true, mode: 0o700 });
        symlinkSync(join("versions", "1"), join(to, "current"));
        for (const [file, text] of files) {
          // Only called by another name: a certificate for other names would be damaged.
          const renamed = text.replace(`"name": "${name}"`, `"name": "${other}"`);
          writeFileSync(join(to, file), renamed, { mode: 0o600 });
        }
      }
      return copy;
    },
  };
}

/** Paths and contents. */
function filesOf(certificate: string): readonly (readonly [string, string])[] {
  const version = readdirSync(join(certificate, "versions", "1"));
  const paths = ["certificate.json", ...version.map((file) => join("versions", "1", file))];
  return paths.map((path) => [path, readFileSync(join(certificate, path), "utf8")]);
}
