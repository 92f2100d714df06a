/** http-01 and tls-alpn-01 by every host of a fleet: the response is put into the shared state, where `acmectl respond` finds it. */
import { defineSolver, type AnswerKey, type ChallengeOf } from "acmectl/plugin";

/** Longer than any order takes. A response that a killed run left behind expires by itself. */
const lifetime = 60 * 60_000;

export default defineSolver({
  summary: "answers http-01 and tls-alpn-01 on every host that runs `acmectl respond`",
  challengeTypes: ["http-01", "tls-alpn-01"],
  defaultTypes: ["http-01"],
  concurrency: 16,
  options: {},
  create(_options, { answers }) {
    return {
      async present(challenge, { signal }) {
        signal.throwIfAborted();
        await answers.put({ ...keyOf(challenge), content: challenge.keyAuthorization }, lifetime);
        return null;
      },
      async cleanup(challenge) {
        await answers.remove(keyOf(challenge));
      },
    };
  },
});

function keyOf(challenge: ChallengeOf<"http-01" | "tls-alpn-01">): AnswerKey {
  const { type, identifier, token } = challenge;
  const host = type === "tls-alpn-01" ? challenge.serverName : identifier.value;
  return { type, host, token };
}
