import { describe, expect, it } from "vitest";
import { createHash } from "node:crypto";
import type { Answer, AnswerKey, Answers } from "acmectl/plugin";
import { challengeFor, solverConformance, solverContext } from "acmectl/testing";
import respond from "./index.ts";

/** What the hosts that share a state see. */
function sharedAnswers() {
  const live: Answer[] = [];
  const isSame = (one: AnswerKey, other: AnswerKey) =>
    one.type === other.type && one.host === other.host && one.token === other.token;
  const answers: Answers = {
    async put(answer) {
      await answers.remove(answer);
      live.push(answer);
    },
    async remove(key) {
      const at = live.findIndex((one) => isSame(one, key));
      if (at >= 0) live.splice(at, 1);
    },
  };
  return { live, answers };
}

describe.each(["http-01", "tls-alpn-01"] as const)("respond with %s", (type) => {
  const { live, answers } = sharedAnswers();
  const cases = solverConformance({
    plugin: {
      ...respond,
      create: (options, context) => respond.create(options, { ...context, answers }),
    },
    options: {},
    type,
    visible: async (challenge) =>
      live
        .filter((one) => one.type === type && one.token === challenge.token)
        .map(({ content }) =>
          type === "http-01" ? content : createHash("sha256").update(content).digest("hex"),
        ),
  });
  for (const { name, run } of cases) it(name, run);
});

it("names the host as the CA asks for it, an IP address too", async () => {
  const { live, answers } = sharedAnswers();
  const solver = await respond.create({}, solverContext({ answers }));
  const { signal } = new AbortController();
  await solver.present(challengeFor("http-01", "2001:db8::1"), { signal });
  await solver.present(challengeFor("tls-alpn-01", "192.0.2.7"), { signal });
  expect(live.map(({ host }) => host)).toEqual(["2001:db8::1", "7.2.0.192.in-addr.arpa"]);
});
