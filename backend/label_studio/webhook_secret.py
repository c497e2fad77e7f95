"""The secret by which our webhooks are known, where Label Studio sends no password with them.

It is made of the password, so that nothing has to be kept, and does not tell the password to those
who may read a project's webhooks in Label Studio.
"""

import functools
import hashlib

HEADER = "X-Firstpass-Secret"


@functools.lru_cache(maxsize=8)
def webhook_secret(user: str, password: str) -> str:
    """40 hex digits, by scrypt, since a password may be short. Takes some 50 ms, once."""
    salt = hashlib.sha256(f"firstpass webhook {user}".encode()).digest()
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=20).hex()
