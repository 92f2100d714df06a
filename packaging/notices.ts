/** Third parties' licenses: what the bundle contains of their packages has to be accompanied by them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "rolldown";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly homepage?: string;
}

/** Writes `fileName` beside the chunks: each text that packages bring as license or notice, under the packages that bring it. */
export function notices(fileName: string): Plugin {
  return {
    name: "third-party-notices",
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((file) =>
        file.type === "chunk" ? file.moduleIds : [],
      );
      const folders = new Set(modules.flatMap((id) => packageFolderOf(id) ?? []));
      const titles = new Map<string, string[]>();
      for (const folder of folders) {
        const { title, texts } = noticeOf(folder);
        for (const text of texts) titles.set(text, [...(titles.get(text) ?? []), title]);
      }
      const sections = [...titles].map(([text, by]) => `${by.toSorted().join("\n")}\n\n${text}\n`);
      this.emitFile({
        type: "asset",
        fileName,
        source: sections.toSorted().join(`\n${"-".repeat(80)}\n\n`),
      });
    },
  };
}

/** The folder of the package that a module belongs to; undefined for acmectl's own. */
function packageFolderOf(id: string): string | undefined {
  return /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+/.exec(id)?.[0];
}

function noticeOf(folder: string): { title: string; texts: readonly string[] } {
  const { name, version, license, homepage }: Manifest = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  const texts = files.toSorted().map((file) => readFileSync(join(folder, file), "utf8").trim());
  if (license === undefined && texts.length === 0) throw new Error(`${name} has no license.`);
  const title = [`${name} ${version}`, license, homepage].filter(Boolean).join(", ");
  return { title, texts: texts.length === 0 ? ["(The package contains no license file.)"] : texts };
}
