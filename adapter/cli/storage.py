"""`kykysilta storage`: copies of the database, and encryption anew after a key was rotated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.cli.auditing import opened
from adapter.cli.configuration import Config, keys_of, settings_of
from adapter.cli.exits import Exit
from adapter.cli.inputs import fail

storage_app = typer.Typer(help="The database and its keys.", no_args_is_help=True)


@storage_app.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(help="New file; keep it as safe as the database.")], config: Config = None
) -> None:
    """Copy a SQLite database while the service runs, and check the copy."""
    from adapter.store.backup import NoBackupError, back_up

    settings = settings_of(config)
    with opened(settings, settings.language) as database:
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
    from adapter.store import Cipher
    from adapter.store.rotation import re_encrypt

    settings = settings_of(config)
    _, storage_keys = keys_of(settings)
    with opened(settings, settings.language) as database:
        written, left_over = re_encrypt(database, Cipher(storage_keys))
    print(f"{written} rows encrypted anew")
    if left_over:
        fail(f"{left_over} rows do not open with any of these keys; keep the old keys", Exit.FINDINGS)
