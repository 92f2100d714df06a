import type { OptionDeclarations, OptionsOf } from "../../src/plugin.ts";
import { resolveOptions } from "../../src/options/resolve.ts";

/** A solver's options as acmectl finds them in an environment and nowhere else. */
export async function optionsFrom<const D extends OptionDeclarations>(
  plugin: { readonly options: D },
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<OptionsOf<D>> {
  const from = { plugin: name, env, cwd: "/", mask: () => {} };
  return (await resolveOptions(plugin.options, from)).values;
}
