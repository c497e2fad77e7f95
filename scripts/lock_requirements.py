"""Write docker/*.lock: what the image installs, each file by its SHA-256.

    python scripts/lock_requirements.py .venv-supply/bin/uv

uv resolves requirements.txt under constraints.txt for the Python and the platform of the image,
with the hashes that PyPI states. Two files, since PyTorch has an index of its own for its build
without CUDA: `requirements.lock` is the same for both builds; `requirements-cuda.lock` is PyTorch's
CUDA build with the libraries that it brings.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
PYTHON = "3.12"  # of both base images
PLATFORM = "x86_64-manylinux_2_28"
OF_TORCH = re.compile(r"torch$|torchvision$|triton$|nvidia-|cuda-")
HEADER = """\
# Made by `make lock` from requirements.txt and constraints.txt, for Python {} on {}.
# {}
"""
CONTENTS = {
    "requirements.lock": "All that the image installs but PyTorch.",
    "requirements-cuda.lock": "PyTorch's CUDA build, and what it alone needs.",
}


def locked(uv: str, left_out: Iterable[str] = ()) -> str:
    """The lines of a lock as uv writes them, without the packages that are `left_out`."""
    command = [uv, "pip", "compile", "requirements.txt", "--constraint", "constraints.txt"]
    command += [
        "--no-config",
        "--no-header",
        "--quiet",
        "--default-index",
        "https://pypi.org/simple",
    ]
    command += ["--generate-hashes", "--only-binary", ":all:"]
    command += ["--python-version", PYTHON, "--python-platform", PLATFORM]
    command += [f"--no-emit-package={name}" for name in left_out]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.partition("\n# The following packages were excluded")[0].rstrip() + "\n"


def names_in(lock: str) -> set[str]:
    return set(re.findall(r"(?m)^([\w.-]+)==", lock))


def main(uv: str) -> None:
    names = names_in(locked(uv))
    of_torch = {name for name in names if OF_TORCH.match(name)}
    left_out = {"requirements.lock": of_torch, "requirements-cuda.lock": names - of_torch}
    for file, content in CONTENTS.items():
        lines = locked(uv, sorted(left_out[file]))
        header = HEADER.format(PYTHON, PLATFORM.partition("-")[0], content)
        (DOCKER / file).write_text(header + lines, encoding="utf-8")
        print(f"docker/{file}: {len(names_in(lines))} packages")


if __name__ == "__main__":
    main(*sys.argv[1:])
