import type { CopySetting } from "../../certificate.ts";
import { withNewline } from "../../state/folder/versions.ts";
import { accessOf, deployFile, type DeployedFile, noKeyFor } from "./write-file.ts";

export interface Material {
  /** Absent when the request came with a CSR. */
  readonly privateKey?: string | undefined;
  readonly certificate: string;
  readonly chain: string;
  /** Of the second key: its files have the type of the key behind their names. */
  readonly second?: (Omit<Material, "second"> & { readonly suffix: string }) | undefined;
}

/**
 * Write the copies. Each is whole at every moment, but two of them change one after the other, the key first: servers reload
 * after this returns. The next run repeats what a crash leaves half done.
 */
export async function copyFiles(
  copy: CopySetting,
  material: Material,
  assertHeld?: () => Promise<void>,
): Promise<void> {
  const access = await accessOf(copy);
  for (const file of filesOf(copy, material)) await deployFile(file, access, assertHeld);
}

/** With those of the second key, whose paths end in its type. */
export function filesOf(copy: CopySetting, material: Material): readonly DeployedFile[] {
  const { second } = material;
  const first = filesOfOne(copy, material);
  if (second === undefined) return first;
  const ofSecond = filesOfOne(copy, second).map((file) => ({
    ...file,
    path: file.path + second.suffix,
  }));
  return [...first, ...ofSecond];
}

function filesOfOne(copy: CopySetting, material: Material): readonly DeployedFile[] {
  const certificate = withNewline(material.certificate);
  const chain = withNewline(material.chain);
  const files: DeployedFile[] = [];
  const add = (path: string | undefined, secret: boolean, content: () => string) => {
    if (path !== undefined) files.push({ path, content: content(), secret });
  };
  add(copy.key, true, () => keyOf(material, copy.key));
  add(copy.combined, true, () => certificate + chain + keyOf(material, copy.combined));
  add(copy.chain, false, () => chain);
  add(copy.cert, false, () => certificate);
  add(copy.fullchain, false, () => certificate + chain);
  return files;
}

function keyOf({ privateKey }: Material, path: string | undefined): string {
  if (privateKey !== undefined) return withNewline(privateKey);
  throw noKeyFor(path, "Remove the copy of the key; the key is where you made it.");
}
