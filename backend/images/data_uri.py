"""Reads data: URIs, of which browsers accept more than the standard allows."""

import base64
from urllib.parse import unquote_to_bytes

from backend.errors import ImageBroken
from backend.images.download import EncodedImage, too_large


def read_data_uri(uri: str, max_bytes: int) -> EncodedImage:
    """The bytes of a data: URI, and their type. Raises ImageBroken or ImageTooLarge."""
    head, comma, body = uri.partition(",")
    if not comma:
        raise ImageBroken("The data: URI lacks the comma before its data.")
    data = unquote_to_bytes(body)
    if head.lower().endswith(";base64"):
        data = decode_lenient_base64(data)
    if len(data) > max_bytes:
        raise too_large("The data: URI", max_bytes)
    return EncodedImage(data, head.removeprefix("data:").split(";")[0])


def decode_lenient_base64(text: bytes) -> bytes:
    """Decoded as browsers do, with white space skipped and padding optional. Raises ImageBroken."""
    dense = b"".join(text.split()).rstrip(b"=")
    try:
        return base64.b64decode(dense + b"=" * (-len(dense) % 4), validate=True)
    except ValueError as error:
        raise ImageBroken(f"The data: URI holds no valid base64: {error}.") from error
