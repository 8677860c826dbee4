"""Tables of the adapter, the same on SQLite and PostgreSQL.

Everything that names a person is encrypted (every `LargeBinary`: `source`, `body`, `identity`) or a keyed hash (`lane`,
`lookup`, `record_key`). Where the repository keeps what was delivered (`receipt.resources`, `known_resource`) is plain
text: full URLs, which are keyed hashes, and the repository's own `Type/id`. They name nobody, but who may read in the
repository finds the person by them; so they are forgotten with the client (`adapter/store/erasure.py`).

When a body is deleted, `source` keeps its outline (`adapter/delivery/keeping.py`). Times are UTC seconds (float),
written by the caller: the store has no clock.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

submission = Table(
    "submission",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("sender", String(128), nullable=False),
    Column("record_type", String(64), nullable=False),
    Column("record_key", String(32), nullable=False),
    Column("record_version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("received_at", Float, nullable=False),
    Column("custodian", String(128), nullable=False, server_default=""),
    Column("mapping", String(200), nullable=False),
    Column("warnings", Text, nullable=False),
    Column("source", LargeBinary),
    Column("body", LargeBinary),
    UniqueConstraint("sender", "record_key", "record_version"),
)
submission_record = Index("submission_record", submission.c.record_key)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("submission", String(32), ForeignKey("submission.id"), nullable=False, unique=True),
    Column("lane", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("final", Boolean, nullable=False),
    Column("due", Float, nullable=False),
    Column("leased_until", Float, nullable=False, server_default=text("0")),
    Column("leased_by", String(64)),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("http_status", Integer),
    Column("issues", Text),
    Column("updated_at", Float, nullable=False),
)
Index(
    "outbox_open_lane",
    outbox.c.lane,
    outbox.c.seq,
    sqlite_where=~outbox.c.final,
    postgresql_where=~outbox.c.final,
)
outbox_open = Index("outbox_open", outbox.c.seq, sqlite_where=~outbox.c.final, postgresql_where=~outbox.c.final)
outbox_lane = Index("outbox_lane", outbox.c.lane)

transition = Table(
    "transition",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("submission", String(32), ForeignKey("submission.id"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("cause", String(200), nullable=False),
)

client_identity = Table(
    "client_identity",
    metadata,
    Column("lookup", String(32), primary_key=True),
    Column("lane", String(32), nullable=False, index=True),
)

receipt = Table(
    "receipt",
    metadata,
    Column("submission", String(32), ForeignKey("submission.id"), primary_key=True),
    Column("received_at", Float, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("resources", Text, nullable=False),
)

known_resource = Table(
    "known_resource",
    metadata,
    Column("full_url", String(64), primary_key=True),
    Column("location", String(200), nullable=False),
    Column("version", String(64), nullable=False),
    Column("record_key", String(32), nullable=False, index=True),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("entry", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("size", Integer, nullable=False),
    Column("note", Text, nullable=False),
)

audit_person = Table(
    "audit_person",
    metadata,
    Column("pseudonym", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("lookup", String(128), nullable=False, unique=True),
    Column("identity", LargeBinary),
)

decision_trace = Table(
    "decision_trace",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

destination = Table(
    "destination",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("open_until", Float, nullable=False),
)

used_assertion = Table(
    "used_assertion",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("until", Float, nullable=False, index=True),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("sender", String(128), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("at", Float, nullable=False, index=True),
    Column("submission", String(32), ForeignKey("submission.id"), nullable=False),
    Column("answer", Text, nullable=False, server_default=text("'{}'")),
)
