"""Names of the keys that Firstpass keeps in Redis.

Braces mark the hash tag of a Redis cluster: keys with one tag are on one node, so that a script or
a transaction can use them together.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

CORRECTIONS_KEY = "firstpass:{corrections}"  # stream of the webhook events to process
CORRECTIONS_BYTES_KEY = "firstpass:{corrections}:bytes"  # sum of the sizes of its values
CORRECTIONS_TRIES_KEY = "firstpass:{corrections}:tries"  # hash: "<event id>#<n>" -> why it failed
SET_ASIDE_KEY = "firstpass:{corrections}:set-aside"  # stream of events that are not tried again
SET_ASIDE_BYTES_KEY = "firstpass:{corrections}:set-aside:bytes"
MEMORY_PROJECTS_KEY = "firstpass:memory:projects"  # set of the projects that have lessons
MAX_PLAIN_TEXT_BYTES = 120  # a longer text is hashed into its key

# state: JSON of ProjectHead. lessons: hash of digest -> bytes. index and head: what a release wrote
# that kept all in one value. The others: ProjectTables.
MemoryPart = Literal[
    "state", "lessons", "annotations", "past", "past-until", "tasks", "uses", "pending", "taught",
    "empty", "deleted", "deleted-tasks", "index", "head",
]  # fmt: skip
MEMORY_TYPES: dict[MemoryPart, str] = {
    "state": "string", "lessons": "hash", "annotations": "hash", "past": "hash",
    "past-until": "zset", "tasks": "hash", "uses": "hash", "pending": "hash", "taught": "zset",
    "empty": "zset", "deleted": "zset", "deleted-tasks": "zset", "index": "string",
    "head": "string",
}  # fmt: skip


def memory_key(project: str, part: MemoryPart) -> str:
    return f"firstpass:{{memory:{project}}}:{part}"


def memory_keys(project: str) -> list[str]:
    """All of a project."""
    return [memory_key(project, part) for part in MEMORY_TYPES]


def project_settings_key(project: str) -> str:
    return f"firstpass:project:{project}"


def project_config_key(project: str) -> str:
    return f"firstpass:project-config:{project}"


def predicted_masks_key(project: str, task_id: object) -> str:
    return f"firstpass:shown:{project}:{task_id}"


def prelabel_lock_key(project: str) -> str:
    return f"firstpass:prelabel:{project}"


BACKGROUND_PROJECTS_KEY = "firstpass:background"  # set of projects that have, or had, a run


def background_keys(project: str) -> tuple[str, str, str]:
    """Of a project's background run: a hash of its counts, the set of its tasks' ids, and a list of
    those that other processes handed to it."""
    prefix = f"firstpass:{{background:{project}}}"
    return f"{prefix}:run", f"{prefix}:tasks", f"{prefix}:handed"


def features_key(image_digest: str, space: str) -> str:
    return f"firstpass:features:{space}:{image_digest}"


def text_embed_prefix(fingerprint: str, template_set: str, templates: Sequence[str]) -> str:
    """Prefix of all text embeds of one checkpoint and template set.

    The digest covers the templates themselves, so that a changed set gets keys of its own.
    """
    digest = hashlib.blake2b("\0".join(templates).encode(), digest_size=8).hexdigest()
    return f"firstpass:text:{fingerprint}:{template_set}-{digest}:"


def text_embed_key(prefix: str, text: str) -> str:
    """Key of the embed of one text; different texts never share a key.

    A text that is long, or not valid Unicode (JSON can contain lone surrogates), is hashed.
    """
    exact = text.encode("utf-8", "surrogatepass")
    is_plain = len(exact) <= MAX_PLAIN_TEXT_BYTES and exact == text.encode("utf-8", "replace")
    if is_plain:
        return f"{prefix}={text}"
    return f"{prefix}#{hashlib.blake2b(exact, digest_size=16).hexdigest()}"
