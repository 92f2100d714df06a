/** http-01 without any state: the web server answers every token itself, with the thumbprint of the account's key. */
import { defineSolver } from "acmectl/plugin";
import { snippets } from "./snippets.ts";

export default defineSolver({
  summary: "leaves http-01 to web servers that answer any token with the account's thumbprint",
  challengeTypes: ["http-01"],
  concurrency: 64,
  options: {},
  stateless: snippets,
  create() {
    return {
      present: async () => null,
      cleanup: async () => {},
    };
  },
});
