import type { HookSetting } from "../../certificate.ts";
import { argvOf, runCommand } from "../../deploy/command.ts";
import { inheritedEnvironment } from "../../deploy/environment.ts";
import { redactor } from "../../deploy/secrets.ts";
import type { Notification } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { SendTools } from "../send.ts";

/** A command of the user's, which reads the notification as JSON. Rejects with a Problem. */
export async function runNotifier(
  setting: HookSetting & { readonly timeout: number },
  notification: Notification,
  tools: SendTools,
): Promise<void> {
  const { kind, subject, text, host } = notification;
  const passed = Object.fromEntries(
    (setting.passEnv ?? []).map((name) => [name, tools.env[name] ?? ""] as const),
  );
  const env = {
    ...inheritedEnvironment(tools, []),
    ...passed,
    ACMECTL_NOTIFY_KIND: kind,
    ACMECTL_NOTIFY_SUBJECT: subject,
    ACMECTL_NOTIFY_TEXT: text.replaceAll(/(?!\n)\p{Cc}/gu, " "),
    ACMECTL_NOTIFY_HOST: host,
  };
  const title = `The command \`${[setting.run].flat().join(" ")}\``;
  const input = `${JSON.stringify(notification)}\n`;
  const command = { title, argv: argvOf(setting), env, input, timeout: setting.timeout };
  await runCommand(command, redactor(Object.values(passed)), tools).catch((error: unknown) => {
    if (!Problem.is(error)) throw error;
    throw new Problem("machine", { detail: error.message, hint: error.hint, cause: error });
  });
}
