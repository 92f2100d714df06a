import type { OptionDeclarations } from "../../options/declaration.ts";
import { variablesOf } from "../../options/names.ts";

/** By solver, the variables of the environment that have a credential for it. */
export type Credentials = Readonly<Record<string, readonly string[]>>;

/** What the vendors' own libraries read, beside the options of a solver. */
const chains: Readonly<Record<string, readonly string[]>> = {
  route53: ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"],
  azure: ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"],
  google: ["GOOGLE_APPLICATION_CREDENTIALS"],
};

export function credentialsIn(
  env: Readonly<Record<string, string | undefined>>,
  solvers: Readonly<Record<string, OptionDeclarations>>,
): Credentials {
  const isSet = (name: string) => (env[name] ?? "") !== "";
  const found = Object.entries(solvers).map(([solver, options]) => {
    const names = Object.entries(options)
      .filter(([, { secret }]) => secret === true)
      .flatMap(([option, declaration]) => variablesOf(option, declaration, solver))
      .flatMap((name) => [name, `${name}_FILE`]);
    return [solver, [...new Set([...names, ...(chains[solver] ?? [])])].filter(isSet)] as const;
  });
  return Object.fromEntries(found.filter(([, names]) => names.length > 0));
}
