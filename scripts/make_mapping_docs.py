"""Write the mapping tables of `docs/mappings/` and the editor's `mappings/mapping.schema.json`, from the rows.

`--check` writes nothing and exits with 1 when a file is not current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from adapter.mapping import mappings
from adapter.mapping.completion import mapping_schema
from adapter.mapping.documentation import pages

ROOT = Path(__file__).resolve().parent.parent


def files() -> dict[Path, str]:
    """Return every generated file with its content."""
    folder = ROOT / "docs" / "mappings"
    made = {folder / name: text for name, text in pages(each.mapping for each in mappings()).items()}
    made[ROOT / "mappings" / "mapping.schema.json"] = json.dumps(mapping_schema(), indent=1, ensure_ascii=False) + "\n"
    return made


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    made = files()
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current: run scripts/make_mapping_docs.py")
        return int(bool(stale))
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
