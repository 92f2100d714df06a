/** Email by SMTP. */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { createTransport } from "nodemailer";
import type { ConfiguredNotifier } from "../../config/config.ts";
import { codeOf, messageOf, systemReason } from "../../errors.ts";
import { isRecord } from "../../json.ts";
import type { Notification } from "../../plugin.ts";
import { Problem } from "../../problem.ts";

type Setting = NonNullable<ConfiguredNotifier["email"]>;

/** Rejects with a Problem unless the server takes the message for every address. */
export async function sendEmail(
  setting: Setting,
  { subject, text }: Notification,
  timeout: number,
): Promise<void> {
  const { server = "smtp://localhost", to, from = `acmectl@${hostname()}` } = setting;
  const transport = createTransport({
    ...(await connectionOf({ ...setting, server })),
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    socketTimeout: timeout,
  });
  // RFC 3834: keeps out-of-office replies away.
  const headers = { "Auto-Submitted": "auto-generated" };
  try {
    const sent = await transport.sendMail({ from, to: [...to], subject, text, headers });
    const [refused] = sent.rejected ?? [];
    if (refused !== undefined) throw refusal(server, `it does not accept mail for ${refused}`);
  } catch (error) {
    throw Problem.is(error) ? error : failure(server, error);
  } finally {
    transport.close();
  }
}

async function connectionOf(setting: Setting & { readonly server: string }) {
  const { server, user, password = "", caBundle, plain = false } = setting;
  const { host, port, secure } = placeOf(server);
  const isHere = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/u.test(host);
  return {
    host,
    port: port ?? (secure ? 465 : isHere ? 25 : 587),
    secure,
    // A server here may have no certificate; a password never travels in the clear to another one.
    requireTLS: !secure && !plain && !isHere,
    ignoreTLS: plain || (isHere && user === undefined),
    auth: user === undefined ? undefined : { user, pass: password },
    tls: { ca: caBundle === undefined ? undefined : await certificatesIn(caBundle) },
  };
}

function placeOf(server: string): { host: string; port: number | undefined; secure: boolean } {
  const url = URL.parse(server);
  if (url === null || !/^smtps?:$/u.test(url.protocol) || url.hostname === "") {
    throw new Problem("config", {
      detail: `${server} is not the address of an SMTP server.`,
      hint: "Write smtps://HOST:465 or smtp://HOST:587.",
    });
  }
  const port = url.port === "" ? undefined : Number(url.port);
  const host = url.hostname.replaceAll(/[[\]]/gu, "");
  return { host, port, secure: url.protocol === "smtps:" };
}

async function certificatesIn(path: string): Promise<string> {
  return readFile(path, "utf8").catch((cause: unknown) => {
    const detail = `email.caBundle: cannot read ${path}: ${systemReason(cause)}.`;
    throw new Problem("config", { detail, cause });
  });
}

function refusal(server: string, why: string, hint?: string): Problem {
  const detail = `The mail server ${server} refused the message: ${why}.`;
  return new Problem("config", { title: "Notification refused", detail, hint });
}

function failure(server: string, error: unknown): Problem {
  const code = codeOf(error);
  const answer = isRecord(error) || error instanceof Error ? Reflect.get(error, "response") : "";
  const said = typeof answer === "string" && answer !== "" ? answer : messageOf(error);
  if (code === "EAUTH") return refusal(server, said, "Correct email.user and email.password.");
  if (code === "EENVELOPE" || code === "EMESSAGE")
    return refusal(server, said, "Correct email.from and email.to.");
  const hint = /STARTTLS|ETLS/u.test(`${said} ${code}`)
    ? "Use smtps://, or allow a server without TLS with `plain: true`."
    : undefined;
  const detail = `The mail server ${server} cannot be used: ${said}`;
  return new Problem("network", { detail, hint, cause: error });
}
