/** Where the state is, and how it is opened: the one place that chooses a backend. */
import { readFileSync } from "node:fs";
import type { Context } from "../context.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { stateOptions } from "../options/declared/state.ts";
import type { Store } from "../state/store.ts";
import type { StateTools } from "../state/tools.ts";
import { isStateUrl, withoutPassword } from "../state/url.ts";

/** What a context has of the state. All of it is found out when it is asked for. */
export function stateOf(
  given: OptionsOf<typeof stateOptions>,
  from: Sources,
  tools: StateTools,
): Pick<Context, "statePlace" | "stateFolder" | "stateArguments" | "store" | "storeAt"> {
  let choice: Promise<Choice> | undefined;
  let store: Promise<Store> | undefined;
  const chosen = () => (choice ??= choiceOf(given, from));
  const storeAt = async (place: string) => openState(place, await chosen(), tools);
  return {
    statePlace: async () => withoutPassword((await chosen()).place),
    async stateFolder() {
      const { place, files } = await chosen();
      return isStateUrl(place) ? files() : place;
    },
    async stateArguments() {
      const { place, keys, unencrypted, files } = await chosen();
      if (!isStateUrl(place)) return [];
      const { isReference } = await import("../options/secret.ts");
      return [
        ...keys.filter(isReference).flatMap((key) => ["--state-key", key]),
        ...(unencrypted ? ["--state-unencrypted"] : []),
        "--state-files",
        files(),
      ];
    },
    store: async () => (store ??= storeAt((await chosen()).place)),
    storeAt,
  };
}

interface Sources extends Pick<Context, "config"> {
  readonly configPath: () => string;
  readonly defaultFolder: () => string;
}

interface Choice {
  /** A folder or a URL. */
  readonly place: string;
  /** References. */
  readonly keys: readonly string[];
  readonly unencrypted: boolean;
  /** The folder for this host's files; throws where it has no default. */
  readonly files: () => string;
}

/** What was typed or is in variables, else what the config says. */
async function choiceOf(
  given: OptionsOf<typeof stateOptions>,
  { config, configPath, defaultFolder }: Sources,
): Promise<Choice> {
  const isEnough = given.state !== undefined && !isStateUrl(given.state);
  const written = isEnough || !mentionsState(configPath) ? {} : (await config()).state;
  const place = given.state ?? written.state ?? defaultFolder();
  return {
    place,
    keys: given.stateKey ?? written.stateKey ?? [],
    unencrypted: given.stateUnencrypted ?? written.stateUnencrypted ?? false,
    files: () => given.stateFiles ?? written.stateFiles ?? defaultFolder(),
  };
}

/** Most configs say nothing of it, and then commands that need no config do without. */
function mentionsState(configPath: () => string): boolean {
  try {
    return /(^|[{,])\s*["']?state\w*["']?\s*:/m.test(readFileSync(configPath(), "utf8"));
  } catch {
    return false;
  }
}

async function openState(
  place: string,
  { keys, unencrypted, files }: Choice,
  tools: StateTools,
): Promise<Store> {
  if (!isStateUrl(place)) {
    const { openFolderStore } = await import("../state/folder/folder.ts");
    return openFolderStore(place, tools);
  }
  const [open, { openSealing }, { readSecret }, { indexEntryOf }] = await Promise.all([
    /^s3:/i.test(place)
      ? import("../state/s3/s3.ts").then(({ openS3Store }) => openS3Store)
      : import("../state/postgres/postgres.ts").then(({ openPostgresStore }) => openPostgresStore),
    import("../state/sealing.ts"),
    import("../options/secret.ts"),
    import("../renew/index-entry.ts"),
  ]);
  const sources = { ...tools, folder: tools.cwd, named: "The state key" };
  const secrets = await Promise.all(keys.map((key) => readSecret(key, sources)));
  const sealing = openSealing(secrets, { plain: unencrypted });
  return open(place, { ...tools, sealing, files: files(), indexOf: indexEntryOf });
}
