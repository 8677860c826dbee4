"""Databases for benchmarks and tests, made for one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import create_engine, text


@contextmanager
def postgresql(server: str) -> Iterator[str]:
    """A fresh database on a PostgreSQL server; yields its URL."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"crash{uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
