"""The wheel is complete: installed without the checkout, it maps, validates and knows its scenarios."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLAN = ROOT / "fixtures" / "scenarios" / "SCN-3-moona" / "records" / "08-work-ability-plan.json"
EXPECTED = ROOT / "fixtures" / "scenarios" / "SCN-3-moona" / "expected" / "08-work-ability-plan.bundle.json"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new environment that has the wheel and our dependencies, and does not know the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # Dependencies by path, not by `addsitedir`: so the .pth file of an editable install is not read.
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(ours)) + "\n", encoding="utf-8")
    return folder


def run(environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `kykysilta` of an environment from a folder that has nothing of ours."""
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KYKYSILTA"))}
    code = "import sys; from adapter.cli import main; sys.argv[0] = 'kykysilta'; main()"
    command = [str(python), "-c", code, *arguments]
    (environment / "empty").mkdir(exist_ok=True)
    return subprocess.run(command, cwd=environment / "empty", env=clean, capture_output=True, text=True, check=False)


def test_data_files_are_inside(wheel: Path) -> None:
    """Every file of mappings, profiles and scenarios is in the wheel, and its command is announced."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "kykysilta = adapter.cli:main" in archive.read(entry_points).decode()
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "mappings", "profiles", "fixtures/scenarios"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.split("\0")[:-1]
    wanted = tracked or [
        "mappings/records/common.schema.json",
        "profiles/sushi-config.yaml",
        "fixtures/scenarios/README.md",
    ]
    assert {f"adapter/_data/{name}" for name in wanted} <= names
    assert not any(name.startswith(("tests/", "adapter/_data/fixtures/negative")) for name in names)


def test_installed_command_maps_from_another_folder(elsewhere: Path) -> None:
    """`kykysilta map` gives the Bundle that the scenario expects, with data from the wheel alone."""
    result = run(elsewhere, "map", str(PLAN))
    assert (result.returncode, result.stderr) == (0, "")
    bundle = json.loads(result.stdout)
    assert bundle["entry"][0]["resource"]["resourceType"] == "CarePlan"
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    assert [each["resource"]["resourceType"] for each in bundle["entry"]] == [
        each["resource"]["resourceType"] for each in expected["entry"]
    ]


def test_installed_package_is_not_the_checkout(elsewhere: Path) -> None:
    """What ran stands in the new environment; all mappings of the wheel load there."""
    result = run(elsewhere, "mappings", "check")
    assert (result.returncode, result.stderr) == (0, "")
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"records", "lahde", "silmu"}
    python = elsewhere / ("Scripts" if os.name == "nt" else "bin") / "python"
    code = "import adapter.data; print(adapter.data.__file__, adapter.data.data_root())"
    shown = subprocess.run([str(python), "-c", code], cwd=elsewhere, capture_output=True, text=True, check=True)
    assert str(ROOT) not in shown.stdout
    assert shown.stdout.count(str(elsewhere)) == 2
