#!/usr/bin/env node
// Plain old JavaScript, so that an old Node.js can read it and print the message below.

// Node.js opens its inspector on this signal, which would give every program of this user access to the keys in memory.
process.on("SIGUSR1", function () {});

var version = process.versions.node.split(".").map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 12)) {
  process.stderr.write(
    "acmectl needs Node.js 22.12 or newer; this is " +
      process.versions.node +
      " (" +
      process.execPath +
      "). Install a newer one (https://nodejs.org), or run acmectl with it: /path/to/node " +
      process.argv[1] +
      "\n",
  );
  process.exitCode = 2;
} else {
  void import("#main").then(
    function (program) {
      return program.run(process);
    },
    function (error) {
      if (error.code !== "ERR_MODULE_NOT_FOUND" || !String(error.url).endsWith("/dist/src/main.js"))
        throw error;
      process.stderr.write(
        "This clone of acmectl is not built. Run `npm ci && npm run build` in it.\n",
      );
      process.exitCode = 2;
    },
  );
}
