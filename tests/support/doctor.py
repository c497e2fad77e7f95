"""`python -m backend doctor` as a command: its lines, its cures and its exit code."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.running_service import ROOT

SIGNS = {"ok  ": True, "FAIL": False, "?   ": None}
CURE = "      cure: "


@dataclass(frozen=True)
class Finding:
    ok: bool | None
    found: str
    cure: str = ""


@dataclass(frozen=True)
class DoctorRun:
    code: int
    findings: Mapping[str, Finding]  # by the name of the check; the last of each name

    def __getitem__(self, name: str) -> Finding:
        return self.findings[name]


def run_doctor(*options: str, **environment: str) -> DoctorRun:
    """What the doctor finds with these variables and no others."""
    command = [sys.executable, "-m", "backend", "doctor", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    findings: dict[str, Finding] = {}
    name = ""
    for line in done.stdout.splitlines():
        if line.startswith(CURE):
            findings[name] = Finding(findings[name].ok, findings[name].found, line[len(CURE) :])
        else:
            name, _, found = line[6:].partition(": ")
            findings[name] = Finding(SIGNS[line[:4]], found)
    assert findings, done.stderr
    return DoctorRun(done.returncode, findings)
