"""Files that lack only their last bytes, which are of no pixel: browsers show them in full.

Some cameras and programs leave out a JPEG's end marker, or the byte that evens a WebP's length.
Pillow refuses such a file, as it refuses one that lacks half of its rows; here the two are told
apart. (Pillow itself reads a PNG without IEND, and a GIF without its trailer.)
"""

import re
from collections.abc import Iterator

END = b"\xff\xd9"
START_OF_SCAN, RESTART = 0xDA, range(0xD0, 0xD8)
STANDALONE = {0x01, 0xD8, *RESTART}  # markers without a length
# Entropy-coded data of no meaning. In tests no single one changed the last block of every file.
FILLERS = (b"\xaa" * 64, b"\x55" * 64, b"\x77" * 64)


def complete_in_many_ways(data: bytes) -> list[bytes]:
    """The file with several ends; empty if it needs none, or lacks more.

    All decode to the same pixels exactly if nothing but the end is missing.
    """
    if data.startswith(b"\xff\xd8"):
        return _complete_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _complete_webp(data)
    return []


def _complete_webp(data: bytes) -> list[bytes]:
    """With the padding of the last chunk."""
    place = size = 0
    while place + 8 <= len(data) - 12:
        size = int.from_bytes(data[place + 16 : place + 20], "little")
        place += 8 + size + size % 2
    return [data + b"\0"] if size % 2 and 12 + place == len(data) + 1 else []


def _complete_jpeg(data: bytes) -> list[bytes]:
    """With an end marker, then also with fillers before it.

    After the last block libjpeg skips a filler; before it the filler takes the place of blocks.
    """
    if data.rstrip(b"\0").endswith(END):
        return []
    data = data.rstrip(b"\xff")  # of a marker that is cut in two
    scans = list(_scans(data))
    if not scans or not _is_each_coefficient_sent(scans):
        return []
    # Where the file ends between two restart intervals, filler is read only behind their marker.
    restart = bytes([0xFF, RESTART[len(re.findall(b"\xff[\xd0-\xd7]", scans[-1][1])) % 8]])
    return [data + END, *(data + filler + restart + filler + END for filler in FILLERS)]


def _scans(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Header and entropy-coded data of each scan."""
    place = 2
    while marker := re.compile(b"\xff+([^\x00\xff])").search(data, place):
        place = marker.end()
        if marker[1][0] in STANDALONE:
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        header, place = data[place + 2 : place + length], place + max(length, 2)
        if marker[1][0] == START_OF_SCAN:
            end = re.compile(b"\xff+[^\x00\xff\xd0-\xd7]").search(data, place)
            stop = end.start() if end else len(data)
            yield header, data[place:stop]
            place = stop


def _is_each_coefficient_sent(scans: list[tuple[bytes, bytes]]) -> bool:
    """Whether every component has all 64 coefficients to their last bit.

    A progressive JPEG sends them in many scans, and may break off between two of them.
    """
    sent: dict[int, set[int]] = {}
    for header, _ in scans:
        count = header[0] if header else 0
        if len(header) != 4 + 2 * count:
            return False
        first, last, bits = header[-3:]
        for component in header[1 : 1 + 2 * count : 2]:
            final = range(first, last + 1) if bits & 0x0F == 0 else ()
            sent.setdefault(component, set()).update(final)
    return all(len(coefficients) == 64 for coefficients in sent.values())
