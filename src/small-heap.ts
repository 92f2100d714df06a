import { setFlagsFromString } from "node:v8";

/** Before reading what is soon dropped, such as ten thousand certificates: V8 would let the heap grow by 200 MB before it looks. */
export function keepHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=20");
}
