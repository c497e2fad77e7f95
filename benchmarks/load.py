"""A service under the load of a team, for minutes: `python -m benchmarks.load --minutes 10`.

It starts `python -m backend serve` with the starter and its embedded Valkey. Of 32 clients 20 are
people: each opens a task as Label Studio does (/setup, /predict), clicks four times at a pace of 2
to 4 s and submits. 4 ask for batches of eight tasks, one after the other without a pause, which
takes what is left of the machine; 4 ask for /health and 4 for /setup, every second. Each answer is
compared with the one that the same request got before, alone.
"""

import argparse
import itertools
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import requests

from benchmarks.load_clients import CLICKS, ROLES, ROOT, SHARES, Client, Seen, photo_uris


@contextmanager
def service(**settings: str) -> Iterator[tuple[str, int]]:
    """The address of a service that is ready, and the process that starts its workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"PORT": str(port), "DATA_DIR": folder, "LOG_LEVEL": "warning"}
        environment = {**os.environ, **quiet, **settings}
        process = subprocess.Popen(
            [sys.executable, "-m", "backend", "serve"], cwd=ROOT, env=environment
        )
        url = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None and not is_ready(url):
                time.sleep(0.5)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(60)


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=5).ok
    except requests.RequestException:
        return False


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(one) for one in children.read_text().split()] if children.exists() else []
    return found + [one for child in found for one in descendants(child)]


def memory_mb(pid: int) -> dict[str, int]:
    """Resident memory of the service's worker and of its Valkey."""
    found: Counter[str] = Counter()
    for one in [pid, *descendants(pid)]:
        status = Path(f"/proc/{one}/status").read_text()
        name = "Valkey" if status.startswith("Name:\tvalkey") else "service"
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        found[name] += int(line.split()[1]) // 1024
    return dict(found)


def cached_mb(url: str) -> int:
    """What the service keeps of images and features, up to FEATURE_CACHE_MB."""
    for line in requests.get(f"{url}/metrics", timeout=60).text.splitlines():
        if line.startswith("firstpass_feature_cache_bytes "):
            return int(float(line.split()[1])) // 2**20
    return 0


def run(client: Client, n_clients: int, minutes: float, pid: int) -> None:
    """Have the clients ask for so long; prints a line on memory each minute."""
    stop, numbers = threading.Event(), itertools.count(1)
    roles = [role for role, n in SHARES.items() for _ in range(round(n * n_clients / 32))]

    def go_on(role: str, seed: int) -> None:
        rng = random.Random(seed)
        stop.wait(rng.uniform(0, 10))  # people do not begin at the same moment
        while not stop.is_set():
            ROLES[role](client, rng, numbers)

    threads = [threading.Thread(target=go_on, args=one) for one in zip(roles, itertools.count())]
    for thread in threads:
        thread.start()
    for minute in range(1, round(minutes) + 1):
        time.sleep(60)
        used = ", ".join(f"{name} {mb} MB" for name, mb in sorted(memory_mb(pid).items()))
        cached = f"{cached_mb(client.url)} MB of them images and features"
        print(f"minute {minute}: {used}, {cached}; load {os.getloadavg()[0]:.0f}", flush=True)
    stop.set()
    for thread in threads:
        thread.join()


def print_table(seen: Seen) -> None:
    print("\n| request | answered | 503 | other | refused | p50 ms | p95 ms | p99 ms | wrong |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind, statuses in sorted(seen.statuses.items()):
        times_ms = 1000 * np.array(seen.seconds[kind] or [np.nan])
        refused, total = statuses["503"], statuses.total()
        other = {one: n for one, n in statuses.items() if one not in ("200", "201", "503")}
        row = [f"{np.percentile(times_ms, percent):.0f}" for percent in (50, 95, 99)]
        print(
            f"| {kind} | {statuses['200'] + statuses['201']} | {refused} | {other or 0} "
            f"| {refused / total:.1%} | {' | '.join(row)} | {seen.wrong[kind]} |"
        )
    print(f"\ntasks that failed, by code: {dict(seen.failed_tasks) or 'none'}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--clients", type=int, default=32)
    options.add_argument("--width", type=int, default=512)
    options.add_argument("--height", type=int, default=384)
    options.add_argument("--cuts", type=int, default=6, help="images of each of the four photos")
    chosen = options.parse_args()
    uris = photo_uris((chosen.width, chosen.height), chosen.cuts)
    with service() as (url, pid):
        quiet = Client(url, uris, Seen(), {})
        quiet.ask_everything_once()
        print(f"{len(uris)} images, {len(CLICKS)} clicks on each, alone:", flush=True)
        print_table(quiet.seen)
        print(f"\n{chosen.clients} clients:", flush=True)
        seen = Seen()
        run(Client(url, uris, seen, quiet.quiet), chosen.clients, chosen.minutes, pid)
        print_table(seen)
    used_s = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU time of the service: {used_s.ru_utime + used_s.ru_stime:.0f} s")


if __name__ == "__main__":
    main()
