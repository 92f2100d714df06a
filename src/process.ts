import { codeOf } from "./errors.ts";

/** True also for a process of another user, and for what is not a process id. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}
