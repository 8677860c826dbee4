"""`kykysilta storage`: copies of the database, and encryption anew after a key was rotated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.cli.configuration import Config, LangAsked
from adapter.cli.exits import Exit
from adapter.cli.inputs import fail, fail_at
from adapter.cli.starting import opened
from adapter.i18n import text

storage_app = typer.Typer(help="The database and its keys.", no_args_is_help=True)


@storage_app.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(help="New file; keep it as safe as the database.")],
    config: Config = None,
    lang: LangAsked = None,
) -> None:
    """Copy a SQLite database while the service runs, and check the copy."""
    from adapter.store.backup import NoBackupError, back_up

    with opened(config, lang) as (settings, database):
        try:
            back_up(database, target)
        except NoBackupError as error:
            fail(f"{target}: {text(error.key, settings.language)}")
        except OSError as error:
            fail_at(target, error, settings.language)
    print(target)


@storage_app.command("re-encrypt")
def encrypt_anew(config: Config = None, lang: LangAsked = None) -> None:
    """Encrypt everything with the first storage key, while the service runs; then the other keys can go.

    Exit 1: something does not open with any of the keys, and was left as it is.
    """
    from adapter.serve import keys
    from adapter.store import Cipher
    from adapter.store.rotation import re_encrypt

    with opened(config, lang) as (settings, database):
        written, left_over = re_encrypt(database, Cipher(keys(settings)[1]))
    print(text("cli.encrypted-anew", settings.language, count=str(written)))
    if left_over:
        fail(text("cli.left-over", settings.language, count=str(left_over)), Exit.FINDINGS)
