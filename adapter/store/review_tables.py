"""Tables of the reviewer's pages: accounts, sessions, notes, exports that wait. They hold no consent and no record.

Free text is encrypted; clients are named by their lane (a keyed hash).
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, LargeBinary, String, Table, Text, false

from adapter.store.tables import metadata

review_account = Table(
    "review_account",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("title", String(128), nullable=False, server_default=""),
    Column("password", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("locked", Boolean, nullable=False, server_default=false()),
    Column("custodians", Text, nullable=False, server_default="[]"),
    Column("created_at", Float, nullable=False),
)

review_session = Table(
    "review_session",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("account", String(32), ForeignKey("review_account.id"), nullable=False),
    Column("form_token", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),
)

review_failure = Table(
    "review_failure",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, index=True),
    Column("at", Float, nullable=False),
)

review_sign_in = Table(
    "review_sign_in",
    metadata,
    Column("state", String(64), primary_key=True),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("at", Float, nullable=False),
)

review_note = Table(
    "review_note",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subject", String(32), nullable=False, index=True),
    Column("lane", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("account", String(32), ForeignKey("review_account.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("assignee", String(32)),
    Column("text", LargeBinary),
)

review_permission = Table(
    "review_permission",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("lane", String(32), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("account", String(32), ForeignKey("review_account.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("checked_on", String(10), nullable=False),
)

review_filter = Table(
    "review_filter",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(32), ForeignKey("review_account.id"), nullable=False),
    Column("fields", Text, nullable=False),
)

review_export = Table(
    "review_export",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(32), ForeignKey("review_account.id"), nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("clients", Integer, nullable=False),
    Column("custodians", Text, nullable=False),
    Column("fields", LargeBinary, nullable=False),
    Column("approver", String(32), ForeignKey("review_account.id")),
    Column("approved_at", Float),
)
