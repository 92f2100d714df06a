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

/** What CycloneDX says of one package. */
interface Component {
  readonly type: "library";
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly { readonly expression: string }[];
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
      this.emitFile({ type: "asset", fileName: "sbom.cdx.json", source: billOf([...folders]) });
      const sections = [...titles].map(([text, by]) => `${by.toSorted().join("\n")}\n\n${text}\n`);
      this.emitFile({
        type: "asset",
        fileName,
        source: sections.toSorted().join(`\n${"-".repeat(80)}\n\n`),
      });
    },
  };
}

/** A bill of materials in CycloneDX: nothing is installed beside the bundle, so scanners would find nothing. */
function billOf(folders: readonly string[]): string {
  const components = folders.map((folder): Component => {
    const { name, version, license } = manifestIn(folder);
    const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
    const licenses = license === undefined ? [] : [{ expression: license }];
    return { type: "library", name, version, purl, licenses };
  });
  const sorted = components.toSorted((a, b) => (a.purl < b.purl ? -1 : 1));
  const { name, version } = manifestIn(".");
  const component = { type: "application", name, version, purl: `pkg:npm/${name}@${version}` };
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component },
    components: sorted,
  };
  return `${JSON.stringify(bill, null, 1)}\n`;
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** The folder of the package that a module belongs to; undefined for acmectl's own. */
function packageFolderOf(id: string): string | undefined {
  return /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+/.exec(id)?.[0];
}

function noticeOf(folder: string): { title: string; texts: readonly string[] } {
  const { name, version, license, homepage } = manifestIn(folder);
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  const texts = files.toSorted().map((file) => readFileSync(join(folder, file), "utf8").trim());
  if (license === undefined && texts.length === 0) throw new Error(`${name} has no license.`);
  const title = [`${name} ${version}`, license, homepage].filter(Boolean).join(", ");
  return { title, texts: texts.length === 0 ? ["(The package contains no license file.)"] : texts };
}
