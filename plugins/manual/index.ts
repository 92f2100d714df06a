/** The user publishes: what and where is told, and acmectl waits until it can be seen. */
import { defineSolver, type Challenge, type Log } from "acmectl/plugin";

type Answerable = Extract<Challenge, { type: "dns-01" | "http-01" }>;

export default defineSolver({
  summary: "tells you what to publish, and waits until it is visible",
  challengeTypes: ["dns-01", "http-01"],
  options: {},
  create(_options, { log }) {
    const presentAll = async (
      challenges: readonly Answerable[],
      { signal }: { signal: AbortSignal },
    ) => {
      signal.throwIfAborted();
      tell(challenges, log);
      return challenges.map(() => null);
    };
    return {
      async present(challenge, call) {
        await presentAll([challenge], call);
        return null;
      },
      presentAll,
      async cleanup(challenge) {
        log.info(`Once the certificate is there, this can be removed: ${placeOf(challenge)}`);
      },
    };
  },
});

/** A line each, and no progress lines, so that they stay on the terminal. */
function tell(challenges: readonly Answerable[], log: Log): void {
  const records = challenges.filter((challenge) => challenge.type === "dns-01");
  if (records.length > 0) {
    log.info(
      records.length === 1
        ? "Publish this DNS record unless it is there already, and leave other values alone:"
        : `Publish these ${records.length} DNS records unless they are there already, those of one name beside each other, and leave other values alone:`,
    );
    for (const record of records) log.info(placeOf(record));
  }
  for (const challenge of challenges) {
    if (challenge.type !== "http-01") continue;
    log.info(`Serve this at ${placeOf(challenge)}, with no line end behind it:`);
    log.info(challenge.body);
  }
}

/** As it stands in a zone file, or as a URL. */
function placeOf(challenge: Answerable): string {
  if (challenge.type === "dns-01") {
    return `${challenge.recordName}. 60 IN TXT "${challenge.recordValue}"`;
  }
  const { type, value } = challenge.identifier;
  const host = type === "ip" && value.includes(":") ? `[${value}]` : value;
  return `http://${host}${challenge.path}`;
}
