import type { ConfiguredNotifier } from "../../config/config.ts";
import type { Notification, Notifier } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { loadModule } from "../../solvers/file.ts";
import type { SendTools } from "../send.ts";

type Setting = NonNullable<ConfiguredNotifier["plugin"]>;

/** A module whose default export is a function; see `defineNotifier`. */
export async function sendByPlugin(
  { file, options = {} }: Setting,
  notification: Notification,
  { cwd, log, signal }: SendTools,
): Promise<void> {
  const { path, exported } = await loadModule(file, cwd, { what: "notifier" });
  if (!isNotifier(exported)) {
    throw new Problem("plugin", {
      title: "Notifier unusable",
      detail: `The notifier ${path} has no function as its default export.`,
      hint: "Write `export default defineNotifier(async (notification, { options }) => { … })`, with defineNotifier from acmectl/plugin.",
    });
  }
  await exported(notification, { options, log, signal });
}

function isNotifier(exported: unknown): exported is Notifier {
  return typeof exported === "function";
}
