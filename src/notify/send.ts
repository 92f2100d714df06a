/** One notification by one entry of the config, within its time limit. */
import { dirname } from "node:path";
import type { ConfiguredNotifier } from "../config/config.ts";
import type { Context } from "../context.ts";
import { isRecord } from "../json.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { channels } from "../options/declared/notification.ts";
import { readSecret } from "../options/secret.ts";
import type { Notification } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { abortable } from "../abortable.ts";

export type SendTools = Pick<Context, "env" | "log" | "clock" | "signal" | "mask" | "cwd">;

const usual = 30_000;

/** Rejects with a Problem, or with what the notifier of the user throws. */
export async function send(
  entry: ConfiguredNotifier,
  notification: Notification,
  context: Context,
): Promise<void> {
  const timeout = entry.timeout ?? usual;
  const late = AbortSignal.timeout(timeout);
  const signal = AbortSignal.any([late, context.signal]);
  const opened = await withSecrets(entry, context);
  const work = dispatch(opened, notification, { ...context, signal }, timeout);
  await abortable(work, signal).catch((error: unknown) => {
    context.signal.throwIfAborted();
    if (!late.aborted) throw error;
    const detail = `The notification was not accepted within ${timeout / 1000} s.`;
    throw new Problem("network", { detail, cause: error });
  });
}

/** What a channel needs is loaded only when it is used. */
async function dispatch(
  entry: ConfiguredNotifier,
  notification: Notification,
  tools: SendTools,
  timeout: number,
): Promise<void> {
  const { email, pagerduty, plugin, run, shell, passEnv } = entry;
  if (email !== undefined) {
    const { sendEmail } = await import("./channels/email.ts");
    return sendEmail(email, notification, timeout);
  }
  if (run !== undefined) {
    const { runNotifier } = await import("./channels/command.ts");
    return runNotifier({ run, shell, passEnv, timeout }, notification, tools);
  }
  if (plugin !== undefined) {
    const { sendByPlugin } = await import("./channels/plugin.ts");
    return sendByPlugin(plugin, notification, tools);
  }
  if (pagerduty !== undefined) {
    const { sendToPagerDuty } = await import("./channels/pagerduty.ts");
    return sendToPagerDuty(pagerduty, notification, tools.signal);
  }
  const { sendByWebhook } = await import("./channels/webhook.ts");
  return sendByWebhook(entry, notification, tools.signal);
}

/** Relative files of references were made absolute when the config was read. */
async function withSecrets(
  entry: ConfiguredNotifier,
  context: Context,
): Promise<ConfiguredNotifier> {
  const sources = { ...context, folder: dirname(context.configPath) };
  const open = async (value: unknown, named: string): Promise<unknown> => {
    if (typeof value === "string") return readSecret(value, { ...sources, named });
    if (!isRecord(value)) return value;
    const opened = Object.entries(value).map(
      async ([key, one]) => [key, await open(one, named)] as const,
    );
    return Object.fromEntries(await Promise.all(opened));
  };
  const openedEntry: Record<string, unknown> = { ...entry };
  for (const [channel, { options }] of Object.entries(channels)) {
    const given = openedEntry[channel];
    if (!isRecord(given)) continue;
    const values = { ...given };
    const declared: OptionDeclarations = options;
    for (const [option, value] of Object.entries(given))
      if (declared[option]?.secret === true)
        values[option] = await open(value, `${channel}.${option}`);
    openedEntry[channel] = values;
  }
  return openedEntry;
}
