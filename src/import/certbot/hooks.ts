import { join } from "node:path";
import type { CertificateRequest, HookSetting } from "../../certificate.ts";
import { isProgram, namesIn, readText } from "../files.ts";
import { type IniSection, parseIni, valueOf } from "./ini.ts";

/** What certbot would run around each renewal. */
export interface CommonHooks {
  readonly folders: Readonly<Record<"pre" | "deploy" | "post", readonly HookSetting[]>>;
  /** `cli.ini`, which fills in what a renewal's own file leaves open. */
  readonly settings: IniSection;
}

/** The programs in `renewal-hooks/`, and what `cli.ini` says. */
export async function readCommonHooks(folder: string): Promise<CommonHooks> {
  const settings = parseIni((await readText(join(folder, "cli.ini"))) ?? "");
  const programs = async (kind: string) =>
    valueOf(settings, "no-directory-hooks")?.toLowerCase() === "true"
      ? []
      : programsIn(join(folder, "renewal-hooks", kind));
  const [pre, deploy, post] = await Promise.all(["pre", "deploy", "post"].map(programs));
  return { folders: { pre: pre ?? [], deploy: deploy ?? [], post: post ?? [] }, settings };
}

/** The hooks of one renewal: the folders' first, as certbot runs them, none of them twice. */
export function hooksOf(parameters: IniSection, common: CommonHooks): CertificateRequest["hooks"] {
  const own = (key: string, ...settings: readonly string[]) =>
    valueOf(parameters, key) ??
    settings.map((setting) => valueOf(common.settings, setting)).find(Boolean);
  const lists = {
    pre: all(common.folders.pre, own("pre_hook", "pre-hook")),
    deploy: all(common.folders.deploy, own("renew_hook", "deploy-hook", "renew-hook")),
    post: all(common.folders.post, own("post_hook", "post-hook")),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, hooks]) => hooks.length > 0));
}

function all(programs: readonly HookSetting[], own: string | undefined): HookSetting[] {
  const known = programs.some(({ run }) => run[0] === own);
  return [...programs, ...(own === undefined || known ? [] : [{ run: own, shell: true }])];
}

async function programsIn(folder: string): Promise<readonly HookSetting[]> {
  const hooks: HookSetting[] = [];
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    if (!name.endsWith("~") && (await isProgram(path))) hooks.push({ run: [path] });
  }
  return hooks;
}
