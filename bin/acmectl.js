#!/usr/bin/env node
// Plain JavaScript of the oldest kind, so that an old Node can read it and say what it lacks.
var version = process.versions.node.split(".").map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 12)) {
  process.stderr.write(
    "acmectl needs Node.js 22.12 or newer; this is " +
      process.versions.node +
      " (" +
      process.execPath +
      ").\n",
  );
  process.exitCode = 2;
} else {
  void import("#main").then(function (program) {
    return program.run(process);
  });
}
