/** Which environment variables an option answers to. */
import type { OptionDeclaration, OptionDeclarations } from "./declaration.ts";
import { variableOf } from "./names.ts";

/** `ACMECTL_…` first, then the names that the provider's users have already. Each is also looked for with `_FILE` behind it. */
export function variablesOf(
  option: string,
  declaration: OptionDeclaration,
  plugin?: string,
): readonly string[] {
  return [variableOf(option, plugin), ...(declaration.env ?? [])];
}

/** The names in the order in which they are looked at. `_FILE` is left out where another option is called so. */
export function lookupsOf(
  option: string,
  declarations: OptionDeclarations,
  plugin?: string,
): readonly { readonly name: string; readonly file: boolean }[] {
  const taken = new Set(
    Object.entries(declarations).flatMap(([other, declaration]) =>
      other === option ? [] : variablesOf(other, declaration, plugin),
    ),
  );
  const declaration = declarations[option];
  if (declaration === undefined) return [];
  return variablesOf(option, declaration, plugin).flatMap((name) => {
    const withFile = `${name}_FILE`;
    const plain = { name, file: false };
    return taken.has(withFile) ? [plain] : [plain, { name: withFile, file: true }];
  });
}
