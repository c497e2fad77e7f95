"""The paths under which Label Studio serves images: those that our token may open for a task.

The token may open more, such as all of Label Studio's API. Neither task data nor the servers that
it names may choose what is asked with it.
"""

import re
from urllib.parse import unquote, urlsplit

IMAGE_PATH = re.compile(
    r"/(data/(upload/.+|local-files/?)|storage-data/uploaded/?|static/.+"
    r"|(tasks|projects)/[0-9]+/(presign|resolve)/?)"
)
MAX_DECODINGS = 3  # a proxy before Label Studio may decode a path once more than the next one


def is_image_path(path: str, *installations: str | None) -> bool:
    """Whether a path is one of images, or so behind the sub-path of one of these URLs.

    Never for a path with `..` in it, in any encoding: it would lead to another one.
    """
    decoded = path
    for _ in range(MAX_DECODINGS):
        if not {".", ".."}.isdisjoint(re.split(r"[/\\]", decoded)):
            return False
        decoded = unquote(decoded)
    starts = {urlsplit(url or "").path.rstrip("/") for url in ("", *installations)}
    return any(
        path.startswith(start) and IMAGE_PATH.fullmatch(path[len(start) :]) for start in starts
    )
