"""Runs the embedded server until its last user is gone, however each of them ended.

A program of its own, which needs nothing but the standard library and a few MB:
python valkey_guard.py USERS_LOCK SERVER_LOCK_DESCRIPTOR COMMAND…
"""

import fcntl
import os
import signal
import sys


def guard(users_lock: str, server_lock: int, command: list[str]) -> None:
    users = os.open(users_lock, os.O_RDWR | os.O_CREAT, 0o600)
    server = os.posix_spawn(command[0], command, {})

    def end_with_server(*_: object) -> None:
        # The signal comes for a server that is only paused, too.
        if os.waitpid(server, os.WNOHANG)[0]:
            sys.exit()

    signal.signal(signal.SIGCHLD, end_with_server)
    end_with_server()  # it may have ended before
    os.close(server_lock)  # the server's copy is the one that counts

    # Each user holds it, shared; the kernel takes it from a killed one.
    fcntl.flock(users, fcntl.LOCK_EX)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.kill(server, signal.SIGTERM)
    os.waitpid(server, 0)


if __name__ == "__main__":
    guard(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
