"""Codec of Label Studio's brush RLE: thi.ng rle-pack over the row-major RGBA image.

A stream of bits, most significant first. Header: number of values (32 bits), bits of a word - 1
(5), bits of each of four length fields - 1 (4 each). Then records: a flag (1 = run, 0 = literals),
which of the four length fields follows (2 bits), the length - 1 in that field, and one word (run)
or `length` words (literals). All four channels have the same value; Label Studio uses alpha.

    encode_mask([[True]]) is [0, 0, 0, 4, 57, 27, 252, 127, 224]
    # 4 values of 8 bits; length fields of 3, 4, 8 and 16 bits; one run: 4 times 255
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from backend.errors import RequestError

MAX_MASK_PIXELS = 2**28  # limit on the memory of one mask, one byte for each pixel

_CHANNELS = 4
_HEADER_BITS = 32 + 5 + 4 * 4
_WORD_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST_RUN_PX = 2**16 // _CHANNELS
BLOCK_BYTES = 2**16  # of a stream, decoded at a time: bounds the memory for any stream


def encode_mask(mask: NDArray[np.bool_]) -> list[int]:
    """RLE bytes of a bool mask (H, W), opaque where True; equal to those of label_studio_sdk."""
    if mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"mask must be bool (H, W) with pixels, not {mask.dtype} {mask.shape}")
    if mask.size > MAX_MASK_PIXELS:
        raise RequestError(
            f"A mask of {mask.size} pixels is too large for a brush region: {MAX_MASK_PIXELS} at "
            "most. Use BitmaskLabels or PolygonLabels, or smaller images"
        )
    flat = mask.ravel()
    first_px = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths_px = np.diff(first_px, append=flat.size)
    return list(_pack(flat[first_px], lengths_px, flat.size))


def _pack(is_on: NDArray[np.bool_], lengths_px: NDArray[np.intp], n_pixels: int) -> bytes:
    """The stream of R runs: which of them are on (R,), and their lengths in pixels (R,)."""
    # The longest length field holds 2**16 values: longer runs become several records, whose last
    # still takes the longest field. So up to two longest runs stay in the last one's table entry.
    n_full = (lengths_px - 1) // _LONGEST_RUN_PX
    if n_full.any():
        last_at = np.cumsum(n_full + 1) - 1
        last_px = lengths_px - np.maximum(n_full - 1, 0) * _LONGEST_RUN_PX
        is_on = np.repeat(is_on, n_full + 1)
        lengths_px = np.full(is_on.size, _LONGEST_RUN_PX)
        lengths_px[last_at] = last_px

    record_of, bits_of = _run_records()
    records = record_of[lengths_px] | np.where(is_on, np.uint64(255), np.uint64(0))
    record_bits = bits_of[lengths_px]
    ends = _HEADER_BITS + np.cumsum(record_bits)
    starts = ends - record_bits

    # Records have 14 to 27 bits, so a record starts in every 32-bit word, and ends in it or in the
    # next one. The records that start in a word are joined in 64 bits, whose lower half is added to
    # the next word.
    word_of = starts >> 5
    shift = 64 - record_bits - (starts & 31)
    first_of_word = np.concatenate(([0], np.flatnonzero(word_of[1:] != word_of[:-1]) + 1))
    pairs = np.bitwise_or.reduceat(records << shift.astype(np.uint64), first_of_word)

    words = np.zeros(pairs.size + 2, np.uint64)
    words[0] = n_pixels * _CHANNELS
    words[1:-1] = pairs >> np.uint64(32)
    words[2:] |= pairs & np.uint64(2**32 - 1)
    layout = _WORD_BITS - 1
    for bits in _LENGTH_BITS:
        layout = layout << 4 | bits - 1
    words[1] |= np.uint64(layout << 64 - _HEADER_BITS)
    # As in Label Studio, a stream that ends on a byte boundary is padded with a whole zero byte.
    return words.astype(">u4").tobytes()[: int(ends[-1]) // 8 + 1]


@lru_cache(maxsize=1)
def _run_records() -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Record of a run of zeros, and its size in bits, by length in pixels: two tables (2 L + 1,).

    L is the longest length of one record. Entries above L are the record of the remainder after
    one record of length L.
    """
    n_px = np.arange(2 * _LONGEST_RUN_PX + 1)
    is_rest = n_px > _LONGEST_RUN_PX
    n_values = (n_px - is_rest * _LONGEST_RUN_PX) * _CHANNELS
    field = np.where(is_rest, 3, np.searchsorted(2 ** np.array(_LENGTH_BITS), n_values))
    length_bits = np.array(_LENGTH_BITS)[field]
    records = ((4 | field) << length_bits | n_values - 1) << _WORD_BITS
    return records.astype(np.uint64), 3 + length_bits + _WORD_BITS


def decode_mask(
    rle: Sequence[int] | bytes, *, height_px: int, width_px: int, threshold: int = 127
) -> NDArray[np.bool_]:
    """The bool mask (H, W) of any rle-pack stream of an RGBA image: alpha > threshold.

    `threshold` is an 8-bit level, also for words of other sizes; strokes drawn in Label Studio are
    anti-aliased. Raises RequestError for an invalid stream or one of another image size.
    """
    n_pixels = height_px * width_px
    if not 0 < n_pixels <= MAX_MASK_PIXELS or height_px < 0:
        raise RequestError(
            f"A brush mask of {width_px} x {height_px} pixels cannot be decoded; "
            f"it must have 1 to {MAX_MASK_PIXELS} pixels"
        )
    stream = _read_stream(rle)
    if stream.count != n_pixels * _CHANNELS:
        raise RequestError(
            f"The brush RLE holds {stream.count} values, but an image of {width_px} x {height_px} "
            f"has {n_pixels * _CHANNELS}: original_width and original_height are those of another "
            "image, or the stream is damaged"
        )
    return _alpha_above(stream, threshold).reshape(height_px, width_px)


@dataclass(frozen=True)
class _Stream:
    data: bytes
    count: int  # of values, from the header
    word_bits: int
    length_bits: tuple[int, ...]


def _read_stream(rle: Sequence[int] | bytes) -> _Stream:
    try:
        if isinstance(rle, int | str):
            raise TypeError(f"it is {type(rle).__name__}")
        data = bytes(rle)
    except (TypeError, ValueError) as error:
        raise RequestError(f"A brush RLE must be a list of bytes 0 to 255: {error}") from error
    if len(data) * 8 < _HEADER_BITS:
        raise RequestError(f"The brush RLE is cut off: {len(data)} bytes, its header alone has 7")
    header = int.from_bytes(data[:7], "big") >> 7 * 8 - _HEADER_BITS
    length_bits = tuple((header >> 4 * i & 15) + 1 for i in (3, 2, 1, 0))
    return _Stream(data, header >> 21, (header >> 16 & 31) + 1, length_bits)


def _alpha_above(stream: _Stream, threshold: int) -> NDArray[np.bool_]:
    """Whether each pixel's alpha is above the 8-bit threshold: bool (count / 4,)."""
    full_word = 2**stream.word_bits - 1
    is_above = np.zeros(stream.count // _CHANNELS, np.bool_)
    done = 0  # values
    for lengths, words in _blocks(stream):
        ends = done + np.cumsum(lengths)
        if ends[-1] > stream.count:
            # Padding zeros of the last byte may look like one more record, beyond the count. A
            # record across the count is an error.
            ends = ends[: np.searchsorted(ends, stream.count, side="right")]
            if (ends[-1] if ends.size else done) < stream.count:
                raise RequestError(f"The brush RLE runs over its {stream.count} values: damaged")
            words = words[: ends.size]
        # Alpha of pixel k is value 4k + 3, so values s to e hold the alpha of pixels s//4 to e//4.
        edges_px = np.concatenate(([done], ends)) // _CHANNELS
        is_on = words * 255.0 > threshold * float(full_word)
        is_above[edges_px[0] : edges_px[-1]] = np.repeat(is_on, np.diff(edges_px))
        done = int(ends[-1]) if ends.size else done
        if done == stream.count:
            return is_above
    raise RequestError(
        f"The brush RLE is cut off: {len(stream.data)} bytes hold {done} of its {stream.count} "
        "values"
    )


def _blocks(stream: _Stream) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint64]]]:
    """Runs of the records, block by block: lengths and words, (R,) each, R > 0.

    The start of a record is known only from the previous one, so a Python loop walks over them. It
    is fast since the size of a run record is computed beforehand for *every* bit of the block, and
    a step is one table look-up.
    """
    n_bits = len(stream.data) * 8
    data = stream.data + bytes(8)  # a window of 64 bits may start at any byte
    windows: NDArray[np.uint64] = np.ndarray((len(data) - 7,), ">u8", data, strides=(1,))
    steps_of = bytes(4) + bytes(3 + bits + stream.word_bits for bits in stream.length_bits)

    position = _HEADER_BITS
    while position < n_bits:
        first_byte = position // 8
        bits = np.unpackbits(np.frombuffer(data, np.uint8)[first_byte:][: BLOCK_BYTES + 1])
        flag_and_field = bits[:-2] << 2 | bits[1:-1] << 1 | bits[2:]
        steps = flag_and_field.tobytes().translate(steps_of.ljust(256, b"\0"))
        starts: list[int] = []
        note_start = starts.append
        at = position - first_byte * 8
        end = min(BLOCK_BYTES * 8, n_bits - first_byte * 8)
        while at < end:
            note_start(at)
            at += steps[at] or _literal_bits(stream, first_byte * 8 + at)
        position = first_byte * 8 + at
        starts_bit = np.array(starts) + first_byte * 8
        lengths, words = _runs(stream, windows, starts_bit, n_bits)
        if lengths.size:
            yield lengths, words


def _literal_bits(stream: _Stream, start_bit: int) -> int:
    """Size in bits of the literal record that starts at this bit."""
    first_byte = start_bit // 8
    window = int.from_bytes(stream.data[first_byte : first_byte + 4].ljust(4, b"\0"), "big")
    window = window << start_bit % 8 & 2**32 - 1
    length_bits = stream.length_bits[window >> 29 & 3]
    length = (window << 3 & 2**32 - 1) >> 32 - length_bits
    return 3 + length_bits + (length + 1) * stream.word_bits


def _runs(
    stream: _Stream, windows: NDArray[np.uint64], starts_bit: NDArray[np.intp], n_bits: int
) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    """Lengths and words of the records that start at these bits (R,); literals are runs of 1.

    An incomplete record at the end of the stream is left out.
    """
    window = _windows_at(windows, starts_bit)
    is_run = (window >> np.uint64(63)).astype(np.bool_)
    length_bits = np.array(stream.length_bits)[(window >> np.uint64(61) & np.uint64(3)).astype(int)]
    lengths = ((window << np.uint64(3)) >> (64 - length_bits).astype(np.uint64)).astype(int) + 1
    n_words = np.where(is_run, 1, lengths)
    word_starts = starts_bit + 3 + length_bits
    is_whole = word_starts + n_words * stream.word_bits <= n_bits
    if not is_whole.all():
        is_run, lengths, n_words, word_starts = (
            part[is_whole] for part in (is_run, lengths, n_words, word_starts)
        )
    if not is_run.all():
        nth_word = np.arange(n_words.sum()) - np.repeat(np.cumsum(n_words) - n_words, n_words)
        word_starts = np.repeat(word_starts, n_words) + nth_word * stream.word_bits
        lengths = np.repeat(np.where(is_run, lengths, 1), n_words)
    words = _windows_at(windows, word_starts) >> np.uint64(64 - stream.word_bits)
    return lengths, words


def _windows_at(windows: NDArray[np.uint64], starts_bit: NDArray[np.intp]) -> NDArray[np.uint64]:
    """64 bits from each start; at least the first 57 of them are of the stream."""
    windows_before = windows[starts_bit >> 3].astype(np.uint64)  # each begins up to 7 bits earlier
    aligned: NDArray[np.uint64] = windows_before << (starts_bit & 7).astype(np.uint64)
    return aligned
