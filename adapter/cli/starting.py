"""Gives commands their settings and the database, and says in the reader's language what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.cli.configuration import settings_of
from adapter.cli.inputs import fail
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.settings import Settings
    from adapter.store import Database


@contextmanager
def configured(config: Path | None, language: str | None) -> Iterator[Settings]:
    """Give the settings; exits with a text when they, a key, the port or the database do not let the command run.

    Args:
        language: as the command line says; None leaves it to the settings.
    """
    from sqlalchemy.exc import OperationalError

    from adapter.security.keys import KeyProblem
    from adapter.serve import MissingKeyError, NoAddressError, PortTakenError
    from adapter.store import DamagedError

    settings = settings_of(config, language)
    try:
        yield settings
    except (MissingKeyError, KeyProblem) as problem:
        fail(problem.text(settings.language))
    except PortTakenError as error:
        fail(text("delivery.port-taken", settings.language, port=str(error.port), option="KYKYSILTA_PORT"))
    except NoAddressError as error:
        fail(text("cli.no-address", settings.language, address=error.address, reason=error.reason))
    except DamagedError:
        fail(text("cli.database-damaged", settings.language))
    except OperationalError as error:
        fail(text("cli.database-silent", settings.language, reason=str(error.orig).splitlines()[0]))


@contextmanager
def opened(config: Path | None, language: str | None, *, new: bool = False) -> Iterator[tuple[Settings, Database]]:
    """Give settings and database; exits as `configured` does.

    Args:
        new: a database that does not exist is made. By default it is not: an empty log would look like a whole one.
    """
    from sqlalchemy import make_url

    from adapter.store import Database

    with configured(config, language) as settings:
        url = make_url(settings.database)
        if not new and url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
            fail(text("audit.verify-no-database", settings.language, name=url.database))
        database = Database(settings.database)
        try:
            yield settings, database
        finally:
            database.close()
