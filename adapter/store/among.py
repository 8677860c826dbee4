"""A condition on a column, "one of these values", that takes all of them as one parameter.

The text of the statement is then the same for one value and for many: it is made once, by us and by the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import Column, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


def among(column: Column[Any], name: str) -> FunctionElement[bool]:
    """Return the condition that a column has one of the values of a parameter, which is a list of them.

    Args:
        column: texts or whole numbers.
        name: of the parameter.
    """
    return _Among(column, bindparam(name, type_=_Values(column.type)))


class _Values(TypeDecorator[Iterable[Any]]):
    """Many values as one: an array on PostgreSQL, a JSON text on SQLite.

    Args:
        item: type of a value.
    """

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return values if dialect.name == "postgresql" else orjson.dumps(values).decode()


class _Among(FunctionElement[bool]):
    # Without a type, on purpose: what is a Boolean is compared with 1 on SQLite, which then uses no index.
    inherit_cache = True


@compiles(_Among)
def _in_a_json_text(element: _Among, compiler: SQLCompiler, **given: Any) -> str:
    column, values = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are rendered by SQLAlchemy


@compiles(_Among, "postgresql")
def _in_an_array(element: _Among, compiler: SQLCompiler, **given: Any) -> str:
    column, values = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} = ANY ({values})"
