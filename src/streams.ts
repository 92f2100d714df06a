/** stdout and stderr of this process. */
import { fstatSync, writeSync } from "node:fs";
import { codeOf } from "./errors.ts";
import type { TextStream } from "./output/colour.ts";

export interface OutputStream extends TextStream {
  write(text: string, done?: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

const descriptors = { stdout: 1, stderr: 2 } as const;

/** Pipes and files are written to directly: Node.js's own streams to them load its sockets, which takes 6 ms. */
export function openStream(process: NodeJS.Process, name: keyof typeof descriptors): OutputStream {
  const descriptor = descriptors[name];
  return fstatSync(descriptor).isCharacterDevice() ? process[name] : direct(descriptor);
}

/** Like Node.js's streams to pipes and files, it returns when all is written. */
function direct(descriptor: number): OutputStream {
  const listeners: ((error: Error) => void)[] = [];
  return {
    write(text, done) {
      try {
        writeAll(descriptor, Buffer.from(text));
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        for (const listener of listeners) listener(error);
      }
      done?.();
    },
    on: (_, listener) => listeners.push(listener),
  };
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
      // Another program has made the pipe non-blocking, and it is full.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
    }
  }
}

/** Milliseconds. */
const pause = 5;
