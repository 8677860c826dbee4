"""What is wrong with a mapping file, all of it at once: file, line, row and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from adapter.data import DataFileError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding of the loader."""

    file: str
    line: int
    row: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.row}: {self.text}" if self.row else f"{where}: {self.text}"


class MappingFileError(DataFileError):
    """A mapping file cannot be used; `problems` has everything that was found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(set(problems)))
        first = self.problems[0]
        super().__init__(first.file, first.line, first.text)
        self.args = ("\n".join(map(str, self.problems)),)
