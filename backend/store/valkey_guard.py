"""Parent process of the embedded Valkey: stops it when no process uses it any more.

A program of its own, with the standard library alone, so that it needs only a few MB:
python valkey_guard.py USERS_LOCK SERVER_LOCK_DESCRIPTOR COMMAND…
"""

import fcntl
import os
import signal
import sys


def guard(users_lock: str, server_lock: int, command: list[str]) -> None:
    """Run the command until it ends, or until `users_lock` can be locked exclusively."""
    users = os.open(users_lock, os.O_RDWR | os.O_CREAT, 0o600)
    server = os.posix_spawn(command[0], command, {})

    def end_with_server(*_: object) -> None:
        # SIGCHLD also comes when the server is stopped by SIGSTOP.
        if os.waitpid(server, os.WNOHANG)[0]:
            sys.exit()

    signal.signal(signal.SIGCHLD, end_with_server)
    end_with_server()  # it may have ended before
    os.close(server_lock)  # the server holds the lock through its own copy

    # Each user holds a shared lock, which the kernel releases when the user is killed.
    fcntl.flock(users, fcntl.LOCK_EX)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.kill(server, signal.SIGTERM)
    os.waitpid(server, 0)


if __name__ == "__main__":
    guard(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
