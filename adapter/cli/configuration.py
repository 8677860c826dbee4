"""`kykysilta config check`: what is wrong with the settings, in which line or variable, and what to do."""

from __future__ import annotations

import difflib
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args

import typer

from adapter.cli.exits import Exit
from adapter.cli.inputs import fail, fail_at
from adapter.i18n import Language, text
from adapter.types import Issue

if TYPE_CHECKING:
    from adapter.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
LangAsked = Annotated[
    Language | None,
    typer.Option("--lang", envvar="KYKYSILTA_LANGUAGE", help="Language of texts; else as the settings say."),
]
"""Of commands that read settings."""
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)

_TABLE = re.compile(r"\s*\[\[?(?P<keys>[^\]]+)\]\]?")
_KEY = re.compile(r"\s*(?P<keys>[A-Za-z0-9_.\"'-]+)\s*=")
_SETTING = re.compile(r"(?P<setting>[a-z_]+(?:\.[A-Za-z0-9_-]+)*): ")
_FIELD = re.compile(r'field "(?P<setting>\w+)"')
MESSAGES = {
    "missing": "cli.config-missing",
    "path_not_file": "cli.config-no-file",
    "string_pattern_mismatch": "cli.config-form",
    "literal_error": "cli.config-choice",
    "int_parsing": "cli.config-whole-number",
    "int_type": "cli.config-whole-number",
    "int_from_float": "cli.config-whole-number",
    "float_parsing": "cli.config-number",
    "float_type": "cli.config-number",
    "bool_parsing": "cli.config-true-or-false",
    "bool_type": "cli.config-true-or-false",
    "greater_than": "cli.config-more",
    "greater_than_equal": "cli.config-least",
    "less_than_equal": "cli.config-most",
    "too_short": "cli.config-empty",
    "string_too_short": "cli.config-no-text",
    "string_type": "cli.config-text",
    "path_type": "cli.config-text",
    "list_type": "cli.config-list",
    "dict_type": "cli.config-table",
    "model_type": "cli.config-table",
    "model_attributes_type": "cli.config-table",
    "key_encoding": "cli.config-key-encoding",
    "key_length": "cli.config-key-length",
    "key_regular": "cli.config-key-regular",
    "ip_v4_network": "cli.config-network",
    "ip_v6_network": "cli.config-network",
}
"""What is said about a kind of pydantic error; the others are told in pydantic's words."""

CERTIFIED = {"signing": "signing", "client": "client_certificate", "api": "tls"}
"""Group of settings that names our own certificate, by what the certificate is for."""

CALLING = ("url", "client_id", "client_key_file", "client_certificate_file", "authorities_file")
"""Ends of the variables that say how an adapter is called (`adapter.cli.calling`); they are no settings."""


@config_app.command("check")
def check(config: Config = None, lang: LangAsked = None) -> None:
    """Say what is wrong with the settings and where, and what is unwise; exit 1 when it would not start or deliver."""
    from adapter.serve import MissingKeyError, check_keys

    settings = settings_of(config, lang)
    language = settings.language
    try:
        check_keys(settings)
        ending = list(_ending(settings))
    except MissingKeyError as error:
        told = [f"{_place_of(line, config)}{line}" for line in error.text(language).splitlines()]
        fail("\n".join([*told, text("cli.config-help", language)]), Exit.FINDINGS)
    for issue in ending:
        print("! " + issue.text(language))
    for key in _unwise(settings):
        print("! " + text(key, language))
    for variable, name in _unknown_variables():
        print(f"! {variable}: {_unknown((name,), language)}")
    print(text("cli.config-ok", language))


def settings_of(config: Path | None, lang: str | None) -> Settings:
    """Return the settings, or say everything that is wrong with them and exit.

    Args:
        lang: language that the command line asks for; it goes before what the settings say.
    """
    from tomllib import TOMLDecodeError

    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from adapter.serve import load_settings

    language = lang or "fi"
    if config is not None and not config.is_file():
        fail(text("cli.config-no-such-file", language, file=str(config)), Exit.FINDINGS)
    try:
        return load_settings(config, **({"language": lang} if lang else {}))
    except TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        at = ":".join([str(config), *re.findall(r"\d+", place)])
        fail(f"{at}: {text('cli.config-not-toml', language, reason=reason)}", Exit.FINDINGS)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        fail(f"{config}:{line}: {text('cli.config-not-utf-8', language)}", Exit.FINDINGS)
    except OSError as error:
        fail_at(config, error, language, Exit.FINDINGS)
    except SettingsError as error:
        found = _FIELD.search(str(error))
        _tell([{"type": "json", "loc": (found["setting"] if found else "",)}], config, language)
    except ValidationError as error:
        _tell(error.errors(include_input=False, include_url=False), config, language)


def _tell(errors: Sequence[Any], config: Path | None, language: str) -> NoReturn:
    """Say each thing once: what pydantic tries in several ways, it complains about as often."""
    places = [tuple(name for name in each["loc"] if "[" not in str(name)) for each in errors]
    told = [
        f"{_place(place, config)}{_setting(place)}: {_what(each, place, language)}"
        for each, place in zip(errors, places, strict=True)
    ]
    fail("\n".join([*dict.fromkeys(told), text("cli.config-help", language)]), Exit.FINDINGS)


def _what(error: Any, place: Sequence[Any], language: str) -> str:
    if error["type"] == "extra_forbidden":
        return _unknown(place, language)
    if error["type"] == "json":
        return text("cli.config-json", language)
    key = MESSAGES.get(error["type"])
    if key is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return text(key, language, **{name: _plain(value) for name, value in error.get("ctx", {}).items()})


def _plain(limit: Any) -> str:
    """A limit or a list of choices without quotation marks and without English."""
    return str(limit).replace(" or ", ", ").replace("'", "")


def _unknown(place: Sequence[Any], language: str) -> str:
    near = difflib.get_close_matches(str(place[-1]), _names(place), 1)
    return text("cli.config-unknown" if near else "cli.config-none-such", language, near=", ".join(near))


def _unknown_variables() -> Iterator[tuple[str, str]]:
    """Yield variables that look like settings and are none, as written and as a setting: nobody reads them."""
    known = (*_names(("",)), *CALLING)
    for variable in sorted(os.environ):
        name = variable.lower().removeprefix("kykysilta_").partition("__")[0]
        if variable.upper().startswith("KYKYSILTA_") and name not in known:
            yield variable, name


def _names(place: Sequence[Any]) -> list[str]:
    """The settings that exist beside a wrong one."""
    from pydantic import BaseModel

    from adapter.settings import Settings

    model: Any = Settings
    for name in place[:-1]:
        field = model.model_fields.get(str(name)) if model is not None else None
        inner = (field.annotation, *get_args(field.annotation)) if field is not None else (model,)
        model = next((each for each in inner if isinstance(each, type) and issubclass(each, BaseModel)), None)
    return list(model.model_fields) if model is not None else []


def _place_of(told: str, config: Path | None) -> str:
    """Return the place of the setting that a text begins with; empty when it begins with none."""
    setting = _SETTING.match(told)
    return _place(tuple(setting["setting"].split(".")), config) if setting else ""


def _setting(place: Sequence[Any]) -> str:
    return ".".join(map(str, place))


def _place(place: Sequence[Any], config: Path | None) -> str:
    """Return the variable or the line that holds a setting, or would; empty when neither does."""
    for length in range(len(place), 0, -1):
        variable = "KYKYSILTA_" + "__".join(map(str, place[:length])).upper()
        if any(name.upper() == variable for name in os.environ):
            return f"{variable}: "
    if config is None:
        return ""
    found = max(_lines(config.read_text(encoding="utf-8"), place), default=(0, 0))
    return f"{config}:{-found[1]}: " if found[0] else f"{config}: "


def _lines(toml: str, place: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Yield for each line how much of the setting's name it gives, and its negative number: the first one wins."""
    wanted = [str(name) for name in place]
    table: list[str] = []
    for number, line in enumerate(toml.splitlines(), start=1):
        if found := _TABLE.match(line):
            names = table = _split(found["keys"])
        elif found := _KEY.match(line):
            names = [*table, *_split(found["keys"])]
        else:
            continue
        if names == wanted[: len(names)]:
            yield len(names), -number


def _split(keys: str) -> list[str]:
    return [key.strip().strip("\"'") for key in keys.split(".")]


def _ending(settings: Settings) -> Iterator[Issue]:
    """Yield what is told of certificates that soon end, and of a caller's that is not valid.

    Raises:
        MissingKeyError: one of our own is not valid now: the adapter would start, and wait for a new one.
    """
    from adapter.delivery.chores import WARNING_DAYS
    from adapter.delivery.configured import certificates
    from adapter.security.certificates import days_left, untimely
    from adapter.security.keys import KeyProblem
    from adapter.serve import MissingKeyError

    now = time.time()
    wrong: list[Issue] = []
    for use, certificate in certificates(settings)().items():
        setting = f"{CERTIFIED.get(use) or use.replace('caller ', 'clients.')}.certificate_file"
        days = days_left(certificate, now)
        if reason := untimely(certificate, now):
            issues = KeyProblem(reason).at(setting).issues
            if use in CERTIFIED:
                wrong += issues
            else:
                yield from issues
        elif days <= WARNING_DAYS:
            yield Issue("warning", "cli.config-ending", {"setting": setting, "days": str(int(days))})
    if wrong:
        raise MissingKeyError(*wrong)


def _unwise(settings: Settings) -> Iterator[str]:
    """Yield messages about settings that work and are still not good."""
    local = settings.host in ("127.0.0.1", "::1", "localhost")
    if settings.demo:
        yield "cli.config-demo"
    if not local and settings.tls is None:
        yield "cli.config-plain"
    if settings.host in ("0.0.0.0", "::") and not settings.public_url:  # noqa: S104 - read, not listened at
        yield "cli.config-no-public-url"
    if settings.repository_url.startswith("http://") and "://127.0.0.1" not in settings.repository_url:
        yield "cli.config-plain-repository"
    if settings.signing is None:
        yield "cli.config-unsigned"
    if settings.audit_key_file is None:
        yield "cli.config-no-checkpoints"
    if settings.workers == 0:
        yield "cli.config-no-workers"
