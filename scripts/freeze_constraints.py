"""Print constraints.txt: the versions installed in the given environments, one package a line.

    python scripts/freeze_constraints.py .venv-py/3.10 .venv-py/3.11 > constraints.txt

A package whose version depends on the Python gets a line for each version, with a marker. Left out,
since they are not the same on every platform: local version labels (+cpu of torch 2.9.1+cpu) and
the CUDA packages, which PyTorch's builds for Linux pin themselves.
"""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PLATFORM_PACKAGES = re.compile(r"nvidia-|cuda-|triton$")
PIN = re.compile(r"([\w.-]+)==([^+\s]+)(?:\+\S+)?")
HEADER = """\
# The exact versions with which the tests passed with Python {}, as `make constraints`
# wrote them: a guard against new releases, as in `make serve CONSTRAINTS=constraints.txt`.
"""


def frozen_versions(environment: Path) -> dict[str, str]:
    """Version of each installed package by its normalized name, as pip freeze tells it."""
    command = [str(environment / "bin" / "python"), "-m", "pip", "freeze"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    pins = [match.groups() for line in lines if (match := PIN.fullmatch(line))]
    names = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}
    return {name: version for name, version in names.items() if not PLATFORM_PACKAGES.match(name)}


def constraint_lines(versions: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Pins with markers, sorted. `versions`: version by package, by Python such as "3.10".

    {"3.10": {"numpy": "2.2"}, "3.11": {"numpy": "2.3"}, "3.12": {"numpy": "2.3"}} gives
    numpy==2.2 ; python_version < "3.11" and numpy==2.3 ; python_version >= "3.11".
    """
    pythons = sorted(versions, key=lambda python: [int(part) for part in python.split(".")])
    lines = []
    for name in sorted({name for pins in versions.values() for name in pins}):
        runs: list[tuple[str, str]] = []  # (version, first Python that has it)
        for python in pythons:
            version = versions[python].get(name)
            if version and (not runs or runs[-1][0] != version):
                runs.append((version, python))
        lines += [pin(name, runs, index) for index in range(len(runs))]
    return lines


def pin(name: str, runs: Sequence[tuple[str, str]], index: int) -> str:
    """The line of one of the versions: from its first Python on, until the next version's."""
    version, first_python = runs[index]
    markers = [f'python_version >= "{first_python}"'] if index else []
    markers += [f'python_version < "{python}"' for _, python in runs[index + 1 : index + 2]]
    return " ; ".join([f"{name}=={version}", *([" and ".join(markers)] if markers else [])])


def main(environments: list[str]) -> int:
    if not environments:
        print("Name the environments to freeze: make check-python makes them.", file=sys.stderr)
        return 1
    versions = {path.name: frozen_versions(path) for path in map(Path, environments)}
    print(HEADER.format(", ".join(versions)) + "\n".join(constraint_lines(versions)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
