/**
 * Documents are `json`, not `jsonb`: what was written comes back with its members in the same order, which hashes depend on.
 * A `revision` is a random text: who swaps it knows afterwards whether a lost answer was a success.
 */
export const sql = `
CREATE TABLE acmectl.accounts (
  directory text NOT NULL,
  id text NOT NULL,
  record json NOT NULL,
  key text NOT NULL,
  next_key text,
  revision text NOT NULL,
  PRIMARY KEY (directory, id)
);

CREATE TABLE acmectl.certificates (
  name text PRIMARY KEY,
  request json,
  status json NOT NULL,
  -- Events and authorizations of the last attempt, which lists leave out.
  attempt json,
  revision text NOT NULL,
  held integer,
  due timestamptz
);
CREATE INDEX certificates_due ON acmectl.certificates (due) WHERE due IS NOT NULL;

CREATE TABLE acmectl.versions (
  name text NOT NULL REFERENCES acmectl.certificates ON DELETE CASCADE,
  version integer NOT NULL,
  meta json NOT NULL,
  certificate text NOT NULL,
  chain text NOT NULL,
  private_key text,
  second json,
  alternates json NOT NULL,
  properties text,
  fence bigint,
  committed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, version)
);

CREATE TABLE acmectl.refused (
  name text NOT NULL,
  number integer NOT NULL,
  facts json NOT NULL,
  pem text NOT NULL,
  private_key text,
  PRIMARY KEY (name, number)
);

CREATE TABLE acmectl.next_keys (
  name text NOT NULL,
  key_type text NOT NULL,
  private_key text NOT NULL,
  PRIMARY KEY (name, key_type)
);

CREATE TABLE acmectl.pending_orders (
  name text PRIMARY KEY,
  pending json NOT NULL
);

CREATE TABLE acmectl.ledgers (
  directory text PRIMARY KEY,
  ledger json NOT NULL,
  revision text NOT NULL
);

-- Commands for one host: another one must not run them.
CREATE TABLE acmectl.pending_hooks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  host text NOT NULL,
  run text NOT NULL,
  hook json NOT NULL,
  revision text NOT NULL UNIQUE
);

CREATE TABLE acmectl.solver_values (
  solver text NOT NULL,
  key text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (solver, key)
);

-- A row stays for a day after its end, so that the next token of a name is greater than the last.
CREATE SEQUENCE acmectl.fence;
CREATE TABLE acmectl.leases (
  name text PRIMARY KEY,
  token bigint NOT NULL,
  holder json NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX leases_end ON acmectl.leases (expires_at);

CREATE TABLE acmectl.answers (
  type text NOT NULL,
  identifier text NOT NULL,
  token text NOT NULL,
  content text NOT NULL,
  ends_at timestamptz NOT NULL,
  PRIMARY KEY (type, identifier, token)
);
CREATE INDEX answers_end ON acmectl.answers (ends_at);

CREATE TABLE acmectl.deployments (
  name text NOT NULL,
  host text NOT NULL,
  version integer NOT NULL,
  -- 'null' once the host does not pull it any more: a host needs no right to delete.
  state json NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, host)
);
`;
