/** Web services: the shapes that chat programs take, and any other by a template. */
import { randomUUID } from "node:crypto";
import type { ConfiguredNotifier } from "../../config/config.ts";
import type { Notification } from "../../plugin.ts";
import { firstWords } from "../../shorten.ts";
import { post, type Post } from "../post.ts";

/** One request. Rejects with a Problem. */
export async function sendByWebhook(
  entry: ConfiguredNotifier,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  const request = requestOf(entry, notification);
  if (request === undefined) throw new TypeError("The entry has no channel.");
  await post(request, signal);
}

function requestOf(
  { slack, teams, discord, ntfy, matrix, webhook }: ConfiguredNotifier,
  notification: Notification,
): Post | undefined {
  if (slack !== undefined)
    return { name: "Slack", url: slack.url, json: slackMessage(notification) };
  if (teams !== undefined)
    return { name: "Microsoft Teams", url: teams.url, json: teamsMessage(notification) };
  if (discord !== undefined)
    return { name: "Discord", url: discord.url, json: discordMessage(notification) };
  if (ntfy !== undefined) return ntfyRequest(ntfy, notification);
  if (matrix !== undefined) return matrixRequest(matrix, notification);
  return webhook && webhookRequest(webhook, notification);
}

/** Text of a section: at most 3000 characters; of a header: 150. */
function slackMessage({ subject, text }: Notification) {
  return {
    text: subject,
    blocks: [
      { type: "header", text: { type: "plain_text", text: firstWords(subject, 140) } },
      { type: "section", text: { type: "mrkdwn", text: firstWords(escaped(text), 2900) } },
    ],
  };
}

/** As HTML, and Slack's own markup, want it. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** An adaptive card, in the message that a workflow's webhook takes. */
function teamsMessage({ subject, text, kind }: Notification) {
  const color = { problem: "Attention", recovery: "Good", test: "Default" }[kind];
  const content = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    body: [
      { type: "TextBlock", text: subject, weight: "Bolder", size: "Medium", color, wrap: true },
      // Two line ends make a new line.
      { type: "TextBlock", text: firstWords(text, 15_000).replaceAll(/\n+/gu, "\n\n"), wrap: true },
    ],
  };
  const contentType = "application/vnd.microsoft.card.adaptive";
  return { type: "message", attachments: [{ contentType, contentUrl: null, content }] };
}

/** Title: at most 256 characters; description: 4096. A text from a CA cannot mention (ping) people. */
function discordMessage({ subject, text, kind, at }: Notification) {
  const color = { problem: 0xd9_36_3e, recovery: 0x2e_a0_43, test: 0x80_80_80 }[kind];
  const embed = {
    title: firstWords(subject, 250),
    description: firstWords(text, 4000),
    color,
    timestamp: at,
  };
  return { embeds: [embed], allowed_mentions: { parse: [] } };
}

/** Published as JSON to the server itself, so that the title may have any letters. */
function ntfyRequest(
  { url, token }: NonNullable<ConfiguredNotifier["ntfy"]>,
  { subject, text, kind }: Notification,
): Post {
  const [, server = url, topic = ""] = /^(.*\/)([^/]+)\/?$/u.exec(url) ?? [];
  const tags = { problem: ["rotating_light"], recovery: ["white_check_mark"], test: [] }[kind];
  const priority = kind === "problem" ? 4 : 3;
  const message = firstWords(text, 3900);
  return {
    name: "ntfy",
    url: server,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    json: { topic, title: subject, message, priority, tags },
  };
}

function matrixRequest(
  { server, room, token }: NonNullable<ConfiguredNotifier["matrix"]>,
  { subject, text }: Notification,
): Post {
  const path = `_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${randomUUID()}`;
  return {
    name: "Matrix",
    method: "PUT",
    url: `${server.replace(/\/$/u, "")}/${path}`,
    headers: { authorization: `Bearer ${token}` },
    json: {
      msgtype: "m.text",
      body: `${subject}\n\n${text}`,
      format: "org.matrix.custom.html",
      formatted_body: `<strong>${escaped(subject)}</strong><br/>${escaped(text).replaceAll("\n", "<br/>")}`,
    },
  };
}

function webhookRequest(
  { url, method, headers, body }: NonNullable<ConfiguredNotifier["webhook"]>,
  notification: Notification,
): Post {
  const request = { name: "The web service", url, method, headers };
  if (body === undefined) return { ...request, json: notification };
  const isJson = /^\s*(\[|\{(?!\{))/u.test(body);
  const { subject, text, host, kind } = notification;
  const values: Readonly<Record<string, string>> = { subject, text, host, kind };
  const filled = body.replaceAll(/\{\{\s*(\w+)\s*\}\}/gu, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return isJson ? JSON.stringify(value).slice(1, -1) : value;
  });
  return { ...request, body: filled, type: isJson ? "application/json" : "text/plain" };
}
