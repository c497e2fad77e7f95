"""scripts/check_python.sh: one line a Python, and a failure that is not lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_python.sh"
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def check(folder: Path, *versions: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script in a project whose requirements are none."""
    (folder / "scripts").mkdir()
    copy = shutil.copy(SCRIPT, folder / "scripts")
    (folder / "requirements-dev.txt").touch()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.base_prefix, 'bin')}:{os.environ['PATH']}",  # this Python's, too
        # Of the make that runs these tests, they come along.
        **dict.fromkeys(("CONSTRAINTS", "TORCH_INDEX", "PYTEST_ARGS"), ""),
    }
    command = [copy, *versions]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_a_python_that_is_not_there_is_said_and_no_failure(tmp_path):
    done = check(tmp_path, "3.99")
    assert (done.returncode, done.stdout) == (0, "3.99  not at hand\n")


def test_a_python_whose_tests_cannot_run_fails_and_the_next_is_still_looked_for(tmp_path):
    done = check(tmp_path, THIS_PYTHON, "3.99")
    failed, missing = done.stdout.splitlines()[-2:]
    assert done.returncode == 1
    assert failed.startswith(f"{THIS_PYTHON}  failed")
    assert failed.endswith("No module named pytest")
    assert missing == "3.99  not at hand"
