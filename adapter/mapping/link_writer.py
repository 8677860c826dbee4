"""References between the resources of a record as Python.

A `Store` says what to do with a value: it takes the expression of the value and returns the line that keeps it.
"""

from __future__ import annotations

from collections.abc import Callable

from adapter.mapping.model import Link
from adapter.mapping.writer import Writer, loops_of, reference, references

Store = Callable[[str], str]


class LinkWriter(Writer):
    """Writes what refers to resources that other rules make."""

    def link(self, link: Link, store: Store) -> None:
        """Write a reference, or a list of references, and what keeps it."""
        with self.condition(link.when):
            if link.many:
                self._references(link, store)
            else:
                self._reference(link, store)

    def _reference(self, link: Link, store: Store) -> None:
        """Write the reference to the resource of the first rule that made one."""
        with self.nested():
            found = ""
            for number, type_ in enumerate(link.types):
                if found:
                    self.enter(f"if {found} is None:")
                found = self.temporary()
                self.line(f"{found} = {self._ids_at(link, number)}", link.row)
                with self.block(f"if {found} is not None:"):
                    self.line(store(reference(found, type_)))
                    if not link.sure:
                        self.note(link)

    def _references(self, link: Link, store: Store) -> None:
        """Write the references to all resources of the first rule that made some, or of every rule."""
        if link.rules:
            several = [
                references(self._ids_at(link, number), self._loops_left(link, number), type_)
                for number, type_ in enumerate(link.types)
            ]
            found = " or ".join(several)
        else:
            owned = [rule for rule in self.rules.values() if rule.owned and rule.identifier != "none"]
            several = [references(self.id_names(rule)[0], loops_of(rule), rule.type) for rule in owned]
            found = f"[{', '.join(f'*{each}' for each in several)}]"
        name = self.temporary()
        self.line(f"{name} = {found}", link.row)
        if link.when is not None:
            self.note(link)
        self.note_expression(f"len({name})")
        self.line(store(name))

    def _loops_left(self, link: Link, number: int) -> int:
        """Return in how many lists the ids of a rule stand below the items around the link."""
        return loops_of(self.rules[link.rules[number]], link.common[number])

    def _ids_at(self, link: Link, number: int) -> str:
        """Return the expression of the id(s) below the items around the link."""
        rule, common = self.rules[link.rules[number]], link.common[number]
        index = "".join(f"[i{place + 1}]" for place, step in enumerate(rule.steps[:common]) if step.is_list)
        return f"{self.id_names(rule)[0]}{index}"

    def surely_linked(self, link: Link) -> bool:
        """True when the one resource that is meant is always made."""
        return link.sure and len(link.rules) == 1

    def linked_reference(self, link: Link) -> str:
        """Return the expression of the reference to a resource that is always made."""
        return reference(self._ids_at(link, 0), link.types[0])
