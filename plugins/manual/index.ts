/** The user publishes the response: shows what and where, and acmectl waits until it is visible. */
import { defineSolver, type Call, type Challenge, type Log } from "acmectl/plugin";

type Answerable = Extract<Challenge, { type: "dns-01" | "http-01" }>;

export default defineSolver({
  summary: "shows what to publish by hand, and waits until it is visible",
  challengeTypes: ["dns-01", "http-01"],
  options: {},
  create(_options, { log }) {
    const presentAll = async (challenges: readonly Answerable[], call: Call) => {
      call.signal.throwIfAborted();
      const records = challenges.filter((challenge) => challenge.type === "dns-01");
      if (records.length > 0) showRecords(records, call, log);
      showFiles(challenges, log);
      return challenges.map(() => null);
    };
    return {
      async present(challenge, call) {
        await presentAll([challenge], call);
        return null;
      },
      presentAll,
      async cleanup(challenge) {
        log.info(`When the certificate is issued, this can be removed: ${placeOf(challenge)}`);
      },
    };
  },
});

/** Without the field `step`: a terminal shows progress lines only for a moment. */
function showRecords(records: readonly Answerable[], { propagationTimeout }: Call, log: Log): void {
  log.info(
    records.length === 1
      ? "Add this DNS record if it does not exist, and keep other values at the name:"
      : `Add these ${records.length} DNS records if they do not exist, and keep other values at their names:`,
  );
  for (const record of records) log.info(placeOf(record));
  const limit = propagationTimeout === undefined ? "" : ` for up to ${inWords(propagationTimeout)}`;
  log.info(
    `acmectl now checks${limit} whether they are visible (--dns-timeout 30m waits longer). After that, or after Ctrl-C, run the same command again: it continues with the same values.`,
  );
}

function showFiles(challenges: readonly Answerable[], log: Log): void {
  for (const challenge of challenges) {
    if (challenge.type !== "http-01") continue;
    log.info(`Serve this at ${placeOf(challenge)}, without a line break at the end:`);
    log.info(challenge.body);
    log.info(
      "acmectl checks it once, now. If this is too early, run the same command again: it continues with the same file.",
    );
  }
}

function inWords(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds >= 120 && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** As in a zone file, or as a URL. */
function placeOf(challenge: Answerable): string {
  if (challenge.type === "dns-01")
    return `${challenge.recordName}. 60 IN TXT "${challenge.recordValue}"`;
  const { type, value } = challenge.identifier;
  const host = type === "ip" && value.includes(":") ? `[${value}]` : value;
  return `http://${host}${challenge.path}`;
}
