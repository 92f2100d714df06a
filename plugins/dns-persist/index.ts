/** dns-persist-01: the record is in the DNS already, so that nothing is written and no credentials are needed. */
import { defineSolver } from "acmectl/plugin";

export default defineSolver({
  summary: "relies on standing TXT records (dns-persist-01); writes nothing, needs no credentials",
  challengeTypes: ["dns-persist-01"],
  concurrency: 100,
  options: {},
  create: () => ({
    present: () => Promise.resolve(null),
    cleanup: () => Promise.resolve(),
  }),
});
