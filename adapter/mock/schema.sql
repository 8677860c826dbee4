-- One namespace of the mock endpoint: every version of every resource, and what searches look at.
BEGIN;
CREATE TABLE IF NOT EXISTS version (
  seq INTEGER PRIMARY KEY,
  type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
  updated INTEGER NOT NULL,             -- microseconds since the epoch
  method TEXT NOT NULL,                 -- POST, PUT, PATCH or DELETE
  body BLOB,                            -- FHIR JSON; NULL when this version is the deletion
  UNIQUE (type, id, version)
);
CREATE TABLE IF NOT EXISTS resource (
  pk INTEGER PRIMARY KEY,
  type TEXT NOT NULL, id TEXT NOT NULL,
  seq INTEGER NOT NULL,                 -- the present version, and its number
  version INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  UNIQUE (type, id)
);
CREATE INDEX IF NOT EXISTS resource_updated ON resource (type, updated);
-- How far each index table is, see adapter/mock/search/indexing.py.
CREATE TABLE IF NOT EXISTS indexed (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO indexed VALUES
  ('index_token', 0), ('index_date', 0), ('index_number', 0), ('index_string', 0), ('index_uri', 0);
-- Index rows lie beside each other by resource (pk); n counts them within it.
CREATE TABLE IF NOT EXISTS index_token (
  pk INTEGER, n INTEGER, parameter TEXT, grp INTEGER, system TEXT, code TEXT, text TEXT,
  PRIMARY KEY (pk, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS token_code ON index_token (parameter, code, system);
CREATE TABLE IF NOT EXISTS index_identifier (
  pk INTEGER, n INTEGER, parameter TEXT, grp INTEGER, system TEXT, code TEXT, text TEXT,
  PRIMARY KEY (pk, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identifier_code ON index_identifier (parameter, code, system);
CREATE TABLE IF NOT EXISTS index_reference (
  pk INTEGER, n INTEGER, parameter TEXT, grp INTEGER,
  type TEXT, id TEXT, uri TEXT, version TEXT, system TEXT, code TEXT, PRIMARY KEY (pk, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reference_id ON index_reference (parameter, id, type);
CREATE TABLE IF NOT EXISTS index_date (
  pk INTEGER, n INTEGER, parameter TEXT, grp INTEGER, low INTEGER, high INTEGER, PRIMARY KEY (pk, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS date_low ON index_date (parameter, low);
CREATE TABLE IF NOT EXISTS index_number (
  pk INTEGER, n INTEGER, parameter TEXT, grp INTEGER,
  low REAL, high REAL, system TEXT, code TEXT, unit TEXT, PRIMARY KEY (pk, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS number_low ON index_number (parameter, low);
CREATE TABLE IF NOT EXISTS index_string (
  pk INTEGER, n INTEGER, parameter TEXT, grp INTEGER, folded TEXT, exact TEXT, PRIMARY KEY (pk, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS string_folded ON index_string (parameter, folded);
CREATE TABLE IF NOT EXISTS index_uri (
  pk INTEGER, n INTEGER, parameter TEXT, grp INTEGER, value TEXT, PRIMARY KEY (pk, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uri_value ON index_uri (parameter, value);
COMMIT;
