"""`kykysilta storage`: copies of the database, and encryption anew after a key was rotated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.configuration import Config, settings_of
from adapter.cli.exits import Exit
from adapter.cli.inputs import fail
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.settings import Settings
    from adapter.store import Database

storage_app = typer.Typer(help="The database and its keys.", no_args_is_help=True)


@storage_app.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(help="New file; keep it as safe as the database.")], config: Config = None
) -> None:
    """Copy a SQLite database while the service runs, and check the copy."""
    from adapter.store.backup import NoBackupError, back_up

    with _opened(settings_of(config)) as database:
        try:
            back_up(database, target)
        except (NoBackupError, OSError) as error:
            fail(str(error))
    print(target)


@storage_app.command("re-encrypt")
def encrypt_anew(config: Config = None) -> None:
    """Encrypt everything with the first storage key, while the service runs; then the other keys can go.

    Exit 1: something does not open with any of the keys, and was left as it is.
    """
    from adapter.serve import MissingKeyError, keys
    from adapter.store import Cipher
    from adapter.store.rotation import re_encrypt

    settings = settings_of(config)
    try:
        _, storage_keys = keys(settings)
    except MissingKeyError as error:
        fail(str(error))
    with _opened(settings) as database:
        written, left_over = re_encrypt(database, Cipher(storage_keys))
    print(f"{written} rows encrypted anew")
    if left_over:
        fail(f"{left_over} rows do not open with any of these keys; keep the old keys", Exit.FINDINGS)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """Open the database that is there: a wrong folder must not pass for an empty database."""
    from sqlalchemy import make_url

    from adapter.store import Database

    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        fail(text("cli.no-database", settings.language, file=url.database or ""))
    database = Database(settings.database)
    try:
        yield database
    finally:
        database.close()
