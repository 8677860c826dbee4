"""The adapter's database: tables, migrations, encryption of bodies. No rules about records live here."""

from adapter.store.cipher import Cipher
from adapter.store.database import DATABASE_PROBLEMS, DamagedError, Database, is_locked

__all__ = ["DATABASE_PROBLEMS", "Cipher", "DamagedError", "Database", "is_locked"]
