import type { Target } from "./target.ts";
import { caTargets } from "./targets/ca.ts";
import { certificateTargets } from "./targets/certificates.ts";
import { dnsTargets } from "./targets/dns.ts";
import { folderTargets } from "./targets/folders.ts";
import { textTargets } from "./targets/texts.ts";

/** All that is read from outside. Tests try each with its seeds and at random; `npm run fuzz` searches on. */
export const targets: readonly Target[] = [
  ...caTargets,
  ...certificateTargets,
  ...dnsTargets,
  ...textTargets,
  ...folderTargets,
];
