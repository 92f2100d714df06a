import { join } from "node:path";
import type { Context } from "../context.ts";
import { certificateFolderName } from "../state/folder/names.ts";

/** Where the current version of a certificate is; undefined where the state is not a folder. */
export async function ownFolder(
  name: string,
  context: Pick<Context, "statePlace">,
): Promise<string | undefined> {
  const place = await context.statePlace();
  if (place.includes("://")) return undefined;
  return join(place, "certificates", certificateFolderName(name), "current");
}
