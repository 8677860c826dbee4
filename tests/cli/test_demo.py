"""The main job, as a newcomer runs it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `kykysilta demo`."""
    command = [str(Path(sys.executable).parent / "kykysilta"), "demo", *arguments]
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)


def test_every_scenario_record_arrives() -> None:
    """Mock, adapter, all scenarios over HTTP: exit code 0 when everything was delivered."""
    done = demo("--once", "--port", str(free_port()), "--mock-port", str(free_port()))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "102/102 toimitettu" in done.stdout
    assert "127.0.0.1" not in done.stdout  # nobody listens there any more


def test_a_taken_port_is_said_clearly() -> None:
    """The text names the port and the option; exit code 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo("--once", "--port", str(port), "--mock-port", str(free_port()))
    assert done.returncode == 2
    assert f"Portti {port} on jo käytössä" in done.stderr
    assert "--port" in done.stderr
