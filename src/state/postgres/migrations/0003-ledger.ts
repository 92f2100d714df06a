/**
 * Each entry of a ledger is a row, so that one more does not rewrite all. `subjects` are checksums of what it counts for; those of
 * entries that were written before are not known, so that they are always read, until they end.
 */
export const sql = `
CREATE TABLE acmectl.ledger_entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  directory text NOT NULL,
  subjects text[] NOT NULL,
  entry json NOT NULL,
  -- Of all rows that were written together.
  change text NOT NULL,
  ends_at timestamptz NOT NULL
);
CREATE INDEX ledger_entries_directory ON acmectl.ledger_entries (directory, id);
CREATE INDEX ledger_entries_subjects ON acmectl.ledger_entries USING gin (subjects) WITH (fastupdate = off);
CREATE INDEX ledger_entries_change ON acmectl.ledger_entries (change);
CREATE INDEX ledger_entries_end ON acmectl.ledger_entries (ends_at);
INSERT INTO acmectl.ledger_entries (directory, subjects, entry, change, ends_at)
SELECT directory, '{*}', entry, 'migration', now() + interval '31 days'
FROM acmectl.ledgers, json_array_elements(
  CASE WHEN json_typeof(ledger -> 'entries') = 'array' THEN ledger -> 'entries' ELSE '[]' END
) WITH ORDINALITY AS old (entry, place) ORDER BY place;
UPDATE acmectl.ledgers SET ledger = (ledger::jsonb || '{"entries": []}')::json
WHERE json_typeof(ledger) = 'object';
`;
