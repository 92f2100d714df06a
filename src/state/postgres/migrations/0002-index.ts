/** `-infinity`: not known yet, so that the next run looks at it. A release that changes what is due sets all to it. */
export const sql = `
ALTER TABLE acmectl.certificates ADD COLUMN look timestamptz;
ALTER TABLE acmectl.certificates ALTER COLUMN due SET DEFAULT '-infinity';
UPDATE acmectl.certificates SET due = '-infinity';
DROP INDEX acmectl.certificates_due;
CREATE INDEX certificates_due ON acmectl.certificates (due, name) WHERE request IS NOT NULL;
CREATE INDEX certificates_look ON acmectl.certificates (look) WHERE request IS NOT NULL;
`;
