import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
let loaded: typeof import("@peculiar/x509") | undefined;

/** @peculiar/x509, loaded at first use: it takes 100 ms that most commands can spare. The same copy that acme-client loads. */
export function x509(): typeof import("@peculiar/x509") {
  loaded ??= required();
  return loaded;
}

function required(): typeof import("@peculiar/x509") {
  return require("@peculiar/x509");
}
