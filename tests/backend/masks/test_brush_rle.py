"""The brush RLE codec against Label Studio's SDK, other encoders, people and hostile streams."""

import json
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter import brush

from backend.errors import RequestError
from backend.masks.brush_rle import decode_mask, encode_mask
from tests.support.recorded import recorded_body

small_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


@st.composite
def masks_of_runs(draw: st.DrawFn) -> np.ndarray:
    """Masks whose runs are as long as the limits of each length field, and their neighbors."""
    limits = [1, 2, 3, 4, 5, 63, 64, 65, 16383, 16384, 16385, 32768, 32769]
    lengths = draw(st.lists(st.sampled_from(limits), min_size=1, max_size=12))
    is_on = np.arange(len(lengths)) % 2 == draw(st.integers(0, 1))
    flat = np.repeat(is_on, lengths)
    return flat.reshape(draw(st.sampled_from([(1, -1), (-1, 1)])))


def sdk_rle(mask: np.ndarray) -> list[int]:
    return brush.mask2rle(mask.astype(np.uint8) * 255)


def decoded(rle: list[int] | bytes, hw: tuple[int, ...], **settings: int) -> np.ndarray:
    return decode_mask(rle, height_px=hw[0], width_px=hw[1], **settings)


@given(small_masks | masks_of_runs())
def test_encoding_is_byte_identical_to_the_sdk(mask):
    assert encode_mask(mask) == sdk_rle(mask)


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((1, 1), bool),
        np.zeros((768, 1024), bool),  # empty: several longest runs and a rest
        np.ones((128, 512), bool),  # full, a whole number of longest runs
        np.eye(300, dtype=bool),
        np.asfortranarray(np.arange(600).reshape(20, 30) % 7 == 0),  # not row-major in memory
        np.ones((40, 60), bool)[::2, ::3],  # strided
    ],
    ids=["1x1", "empty", "full", "diagonal", "column-major", "strided"],
)
def test_shapes_and_memory_layouts_encode_like_the_sdk_and_come_back(mask):
    rle = encode_mask(mask)
    assert rle == sdk_rle(mask)
    np.testing.assert_array_equal(decoded(rle, mask.shape), mask)


def test_a_stream_that_ends_on_a_byte_is_padded_with_a_whole_byte():
    five_on = np.ones((1, 5), bool)  # header of 53 bits + one record of 19 = 9 bytes
    rle = encode_mask(five_on)
    assert len(rle) == 10
    assert rle == sdk_rle(five_on)


def test_encoded_masks_are_json_and_fully_opaque():
    mask = np.eye(9, dtype=bool)
    rle = json.loads(json.dumps(encode_mask(mask)))
    rgba = brush.decode_rle(rle).reshape(9, 9, 4)
    np.testing.assert_array_equal(rgba, np.repeat(mask[:, :, None], 4, axis=2) * 255)


@pytest.mark.parametrize(
    "mask",
    [np.ones((3, 3), np.uint8), np.ones((2, 3, 3), bool), np.ones((0, 4), bool)],
    ids=["uint8", "3 axes", "no pixels"],
)
def test_encoding_refuses_what_is_no_mask(mask):
    with pytest.raises(ValueError, match="mask must be bool"):
        encode_mask(mask)


def test_encoding_refuses_masks_too_large_to_send():
    half_a_billion = np.broadcast_to(np.True_, (2**15, 2**14))  # one byte of memory
    with pytest.raises(RequestError, match="536870912 pixels is too large"):
        encode_mask(half_a_billion)


@given(small_masks | masks_of_runs())
def test_decoding_gives_the_encoded_mask_back(mask):
    np.testing.assert_array_equal(decoded(encode_mask(mask), mask.shape), mask)


def test_long_streams_decode_across_blocks():
    noise = np.random.default_rng(1).random((700, 900)) < 0.5
    rle = encode_mask(noise)
    assert len(rle) > 4 * 2**16
    np.testing.assert_array_equal(decoded(bytes(rle), noise.shape), noise)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_soft_edges_are_cut_at_the_threshold(alpha):
    rle = brush.encode_rle(np.repeat(alpha.ravel(), 4))
    np.testing.assert_array_equal(decoded(rle, alpha.shape), alpha > 127)
    np.testing.assert_array_equal(decoded(rle, alpha.shape, threshold=0), alpha > 0)


def test_only_alpha_counts():
    rgba = np.random.default_rng(0).integers(0, 256, (11, 13, 4), dtype=np.uint8)
    rle = brush.encode_rle(rgba.ravel())
    np.testing.assert_array_equal(decoded(rle, (11, 13)), rgba[:, :, 3] > 127)


def test_a_corrected_mask_of_the_browser_decodes_as_by_the_sdk():
    event = recorded_body("webhook_ui_submit_prediction_changed")
    for item in event["annotation"]["result"]:
        hw = item["original_height"], item["original_width"]
        alpha = brush.decode_rle(item["value"]["rle"]).reshape(*hw, 4)[:, :, 3]
        mask = decoded(item["value"]["rle"], hw)
        assert mask.any() == (item["id"] != "alpha1")  # drawn by hand, or opacity 255; that one: 1
        np.testing.assert_array_equal(mask, alpha > 127)


# Streams of other encoders: any word size, length fields, and mix of runs and literals.


@dataclass(frozen=True)
class Record:
    is_run: bool
    field: int
    words: tuple[int, ...]  # a run repeats the first `length` times
    length: int


def pack(records: list[Record], word_bits: int, length_bits: tuple[int, ...], count: int) -> bytes:
    """Write the format bit by bit, as its description says."""
    bits = f"{count:032b}{word_bits - 1:05b}" + "".join(f"{n - 1:04b}" for n in length_bits)
    for record in records:
        bits += f"{record.is_run:b}{record.field:02b}"
        bits += f"{record.length - 1:0{length_bits[record.field]}b}"
        bits += "".join(f"{word:0{word_bits}b}" for word in record.words)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@st.composite
def foreign_streams(draw: st.DrawFn) -> tuple[bytes, np.ndarray]:
    """A stream of one row of pixels, and the alpha of each as a share of the highest word."""
    word_bits = draw(st.sampled_from([1, 4, 8, 13, 16, 32]))
    length_bits = tuple(draw(st.lists(st.integers(1, 16), min_size=4, max_size=4)))
    word = st.integers(0, 2**word_bits - 1)
    records: list[Record] = []
    values: list[int] = []
    while not values or len(values) % 4 or draw(st.booleans()):
        is_run, field = draw(st.booleans()), draw(st.integers(0, 3))
        length = draw(st.integers(1, min(2 ** length_bits[field], 50)))
        # Values come in fours: end the row as soon as a record can.
        length = min(length, 4 - len(values) % 4) if len(values) > 200 else length
        words = tuple(draw(st.lists(word, min_size=1, max_size=1)) * (1 if is_run else length))
        records.append(Record(is_run, field, words, length))
        values += [words[0]] * length if is_run else words
    stream = pack(records, word_bits, length_bits, len(values))
    return stream, np.array(values[3::4]) / (2**word_bits - 1)


@given(foreign_streams())
def test_streams_of_other_encoders_decode(stream_and_alpha):
    stream, alpha = stream_and_alpha
    mask = decoded(stream, (1, alpha.size))
    np.testing.assert_array_equal(mask[0], alpha * 255 > 127)


# Streams that are not one.


def test_a_stream_cut_off_anywhere_is_refused():
    rle = encode_mask(np.eye(20, dtype=bool))
    for n_bytes in range(len(rle) - 1):  # the last byte is padding
        with pytest.raises(RequestError, match="cut off"):
            decoded(rle[:n_bytes], (20, 20))


def test_a_stream_of_another_image_is_refused_with_both_sizes():
    with pytest.raises(RequestError, match="400 values, but an image of 20 x 10 has 800"):
        decoded(encode_mask(np.eye(10, dtype=bool)), (10, 20))


def test_a_record_over_the_count_is_refused():
    run_of_5 = pack([Record(True, 1, (255,), 5)], 8, (3, 4, 8, 16), count=4)
    with pytest.raises(RequestError, match="runs over its 4 values"):
        decoded(run_of_5, (1, 1))


@pytest.mark.parametrize(
    "rle",
    [None, 7, "0001", [], [1.5] * 20, [256] * 20, [-1] * 20, [[1]] * 20, {"rle": [1]}],
    ids=str,
)
def test_what_is_no_list_of_bytes_is_refused(rle):
    with pytest.raises(RequestError, match="brush RLE"):
        decoded(rle, (1, 1))


@pytest.mark.parametrize("hw", [(0, 5), (-2, -2), (10**6, 10**6)])
def test_sizes_that_no_image_has_are_refused(hw):
    with pytest.raises(RequestError, match="pixels"):
        decoded(encode_mask(np.ones((2, 2), bool)), hw)


@pytest.mark.parametrize("filler", [b"\x00", b"\xff", b"\x80"], ids=["literals", "runs", "mix"])
def test_a_hostile_stream_takes_memory_for_its_mask_and_one_block(filler, monkeypatch):
    monkeypatch.setattr("backend.masks.brush_rle.BLOCK_BYTES", 256)
    hw = (400, 400)
    one_bit_each = (4 * 400 * 400).to_bytes(4, "big") + bytes(3)  # words and length fields
    stream = one_bit_each + filler * 30_000  # some 50 000 records
    tracemalloc.start()
    try:
        decoded(stream, hw)
    except RequestError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 400 * 400 + 2 * len(stream) + 400_000
