"""What a server says of an error in the body of its answer, as plain text for our messages."""

import html
import json
import re
from typing import Any

from backend.redaction import redact_urls

MAX_BODY_BYTES = 8192  # of which the text is taken
MAX_CHARS = 300  # of the text
KEYS = ("validation_errors", "detail", "error", "message")  # of Label Studio's JSON, best first
# What Django REST framework says to any request that it refuses: it names no cause.
UNSPECIFIC = (
    "You do not have permission to perform this action.",
    "Authentication credentials were not provided.",
    "Not found.",
)
# Of a cloud storage's XML; beside them it repeats the signature that it refused.
XML_MESSAGE = re.compile("<(Code|Message)>([^<]*)</")
STORAGE_CODE = re.compile(rb"<Code>([A-Za-z]{1,60})</Code>")
STORAGE_CODES = frozenset({
    "AccessDenied", "AllAccessDisabled", "AuthenticationFailed", "AuthorizationFailure",
    "BlobNotFound", "ContainerNotFound", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken",
    "NoSuchBucket", "NoSuchKey", "PermanentRedirect", "RequestTimeTooSkewed", "ResourceNotFound",
    "SignatureDoesNotMatch", "SlowDown",
})  # fmt: skip
PAGE = re.compile(rb"<!doctype html|<html", re.IGNORECASE)
TAG = re.compile(r"<[^>]*>")


def error_text(content_type: str, body: bytes) -> str:
    """One line of at most MAX_CHARS; "" for web pages, other media, and what names no cause.

    It shows no secret of a URL in it.
    """
    kind = content_type.partition(";")[0].strip().lower()
    body = body[:MAX_BODY_BYTES]
    is_text = not kind or kind.startswith("text/") or kind.endswith(("json", "xml"))
    if not is_text or PAGE.search(body):
        return ""
    text = body.decode(errors="replace")
    if kind.endswith("json"):
        text = json_error_text(text)
    elif kind.endswith("xml"):
        text = ": ".join(html.unescape(found[2]) for found in XML_MESSAGE.finditer(text))
    elif not kind.endswith("plain"):  # Label Studio calls its plain sentences text/html
        text = html.unescape(TAG.sub(" ", text))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = redact_urls(line)
    return "" if line in UNSPECIFIC else line[:MAX_CHARS]


def storage_code(body: bytes) -> str:
    """The cloud storage's code of an error, such as ExpiredToken, if it is a well-known one."""
    found = STORAGE_CODE.search(body[:MAX_BODY_BYTES])
    code = found[1].decode() if found else ""
    return code if code in STORAGE_CODES else ""


def json_error_text(text: str) -> str:
    """The message in a JSON object of an error; all of the text if it is another."""
    try:
        found: Any = json.loads(text)
        if not isinstance(found, dict):
            return text
        message = next((found[key] for key in KEYS if found.get(key)), "")
        if isinstance(found.get("detail"), str) and found.get("error"):
            message = f"{found['error']}: {found['detail']}"  # of a storage that cannot be opened
        return message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
