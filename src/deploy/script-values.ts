/** Where the state has what deploy scripts of acme.sh have saved for the next time. Passwords may be among it. */
import type { Store, StoredCertificate } from "../state/store.ts";

export const scriptState = "acme.sh deploy scripts";

/** The key of what was saved for one certificate. */
export const scriptValuesOf = (name: string) => `certificate ${name}`;

/** For a certificate that is deleted. */
export async function forgetScriptValues(
  { name, request }: StoredCertificate,
  { solverState }: Pick<Store, "solverState">,
): Promise<void> {
  if (request.hooks.deploy?.some((step) => "acme.sh" in step))
    await solverState(scriptState).set(scriptValuesOf(name), undefined);
}
