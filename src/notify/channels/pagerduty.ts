/** PagerDuty's Events API v2: one alert for each event of a certificate, which its recovery resolves. */
import type { ConfiguredNotifier } from "../../config/config.ts";
import type { Notification, NotificationItem } from "../../plugin.ts";
import { firstWords } from "../../shorten.ts";
import { post } from "../post.ts";

type Setting = NonNullable<ConfiguredNotifier["pagerduty"]>;

export async function sendToPagerDuty(
  { key, url = "https://events.pagerduty.com/v2/enqueue" }: Setting,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  const events =
    notification.kind === "test"
      ? testEvents(notification)
      : notification.items.map((item) => eventOf(item, notification));
  for (const event of events)
    await post({ name: "PagerDuty", url, json: { routing_key: key, ...event } }, signal);
}

function eventOf(item: NotificationItem, { host, at }: Notification) {
  const { certificate, event, title, detail, recovered, names, expiresAt } = item;
  const dedup_key = `acmectl/${host}/${certificate}/${event}`.slice(0, 255);
  if (recovered) return { event_action: "resolve", dedup_key };
  return {
    event_action: "trigger",
    dedup_key,
    client: "acmectl",
    payload: {
      summary: firstWords(`${certificate} ${title}: ${detail}`, 1000),
      source: host,
      severity: event === "expiry" ? "critical" : "error",
      timestamp: at,
      component: certificate,
      class: event,
      custom_details: { names, detail, expiresAt },
    },
  };
}

/** Triggered and resolved, so that nothing stays open. */
function testEvents({ host, subject, at }: Notification) {
  const dedup_key = `acmectl/${host}/test`;
  const payload = { summary: subject, source: host, severity: "info", timestamp: at };
  return [
    { event_action: "trigger", dedup_key, client: "acmectl", payload },
    { event_action: "resolve", dedup_key },
  ];
}
