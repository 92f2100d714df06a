/** Vitest's global setup for end-to-end tests: the servers are there before the first test asks for one. */
import { installServers } from "./install.ts";

export default async function setup(): Promise<void> {
  await installServers();
}
