"""Fuzz the targets for long: `python -m tests.fuzz.run --minutes 60 image brush_rle`.

Each target gets turns of some hundred inputs, with another seed each, in a process of its own
whose memory is bounded. An input that fails, or that ends the process, goes into the target's
corpus, as small as hypothesis finds it: to be mended, and to be tried by every later `make check`.
Exits 1 if there was one.
"""

import argparse
import hashlib
import logging
import multiprocessing
import random
import signal
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.fuzz.inputs import CORPUS, inputs
from tests.fuzz.limits import MAX_CPU_S, bound_memory
from tests.fuzz.targets import TARGETS

DATABASE = Path(".hypothesis/fuzz")  # what hypothesis remembers of failures until they are mended
LAST = DATABASE / "last input"
INPUTS_A_TURN = 500
LONG = settings(
    max_examples=INPUTS_A_TURN,
    deadline=None,
    database=DirectoryBasedExampleDatabase(DATABASE),
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def take_turn(target: str, number: int) -> None:
    """Try a turn's inputs in this process, which ends with 1 if one failed."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # Pillow's, of damaged tags
    bound_memory()

    @LONG
    @seed(number)
    @given(inputs(target))
    def one_turn(data: bytes) -> None:
        LAST.write_bytes(data)  # of a failure, hypothesis tries the smallest input last
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_CPU_S)  # ends the process, in a decoder, too
        TARGETS[target](data)

    one_turn()


def keep_last(target: str) -> Path:
    """Put the input that was tried last into the target's corpus."""
    data = LAST.read_bytes()
    kept = CORPUS / target / hashlib.sha256(data).hexdigest()[:16]
    kept.write_bytes(data)
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    targets = options.targets or list(TARGETS)
    until_s = time.monotonic() + 60 * options.minutes
    turns = dict.fromkeys(targets, 0)
    failed: set[str] = set()
    DATABASE.mkdir(parents=True, exist_ok=True)
    first_seed = random.randrange(2**32)
    # A process a turn: a decoder that crashes ends its own turn alone.
    context = multiprocessing.get_context("fork")
    while time.monotonic() < until_s and failed != set(targets):
        for target in targets:
            if target in failed or time.monotonic() >= until_s:
                continue
            number = first_seed + turns[target]
            turn = context.Process(target=take_turn, args=(target, number))
            turn.start()
            turn.join()
            turns[target] += 1
            if turn.exitcode:
                failed.add(target)
                print(f"{target}, seed {number}: {keep_last(target)} fails", flush=True)
    for target in targets:
        said = "FAILED" if target in failed else "no failure"
        print(f"{target:20} {turns[target] * INPUTS_A_TURN:8} inputs at most, {said}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
