/** Go programs whose clock a test can move: no tool outside can do so, for they read the time without the C library. */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** The variable that names the file with the seconds by which the program's clock is ahead. */
export const offsetVariable = "CLOCK_OFFSET_FILE";

const source = `package time

import (
	"sync/atomic"
	"syscall"
)

var offsetSeconds atomic.Int64

// clockOffset is the number of seconds in the file that the environment names.
func clockOffset() int64 { return offsetSeconds.Load() }

// Now runs where no file can be read, so the file is read beforehand, again and again.
func init() {
	file, found := syscall.Getenv("${offsetVariable}")
	if !found {
		return
	}
	readOffset(file)
	go func() {
		for {
			Sleep(5 * Millisecond)
			readOffset(file)
		}
	}()
}

func readOffset(name string) {
	file, err := open(name)
	if err != nil {
		return
	}
	defer closefd(file)
	var text [20]byte
	length, _ := read(file, text[:])
	var seconds int64
	for _, digit := range text[:max(0, length)] {
		if digit >= '0' && digit <= '9' {
			seconds = seconds*10 + int64(digit-'0')
		}
	}
	if length > 0 {
		offsetSeconds.Store(seconds)
	}
}
`;

/** Flags for the Go compiler, which replace the standard library's `time.Now` in what is built. */
export async function shiftableFlags(folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)("go", ["env", "GOROOT"]);
  const time = join(stdout.trim(), "src", "time");
  const original = await readFile(join(time, "time.go"), "utf8");
  const changed = original.replace(
    /^\tsec, nsec, mono := (runtimeNow|now)\(\)$/m,
    "$&\n\tsec += clockOffset()",
  );
  if (changed === original) throw new Error("time.Now has another shape in this version of Go");
  await mkdir(folder, { recursive: true });
  const [now, offset, overlay] = ["time.go", "offset.go", "overlay.json"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await writeFile(now, changed);
  await writeFile(offset, source);
  const replaced = { [join(time, "time.go")]: now, [join(time, "offset.go")]: offset };
  await writeFile(overlay, JSON.stringify({ Replace: replaced }));
  return `-overlay=${overlay}`;
}
