import type { Answer, Store } from "../store.ts";
import type { Shared } from "./shared.ts";

/** Responses to challenges, for every host. They expire by the server's clock. They are public, so they are not encrypted. */
export function openAnswers({ database, check }: Shared): Store["answers"] {
  return {
    async put({ type, host, token, content }, lifetime) {
      await check();
      await database.count("DELETE FROM acmectl.answers WHERE ends_at <= now()");
      await database.count(
        `INSERT INTO acmectl.answers (type, identifier, token, content, ends_at)
         VALUES ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')
         ON CONFLICT (type, identifier, token)
         DO UPDATE SET content = excluded.content, ends_at = excluded.ends_at`,
        [type, host, token, content, lifetime],
      );
    },
    async list() {
      await check();
      return database.rows<Answer>(
        `SELECT type, identifier AS host, token, content
         FROM acmectl.answers WHERE ends_at > now()`,
      );
    },
    async remove({ type, host, token }) {
      await check();
      await database.count(
        "DELETE FROM acmectl.answers WHERE type = $1 AND identifier = $2 AND token = $3",
        [type, host, token],
      );
    },
  };
}
