"""All threads share the memory for images, reserved before a pixel is decoded."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from backend.errors import ImageTooLarge, Overloaded
from backend.images.memory_budget import MemoryBudget
from tests.support.image_files import coded, decode, png_without_pixels
from tests.support.waiting import wait_until


def test_an_image_that_can_never_fit_is_refused_by_its_header():
    budget = MemoryBudget(400 * 2**20)
    with pytest.raises(ImageTooLarge, match=r"takes \d+ MB of memory, 300 are .*IMAGE_MEMORY_MB"):
        decode(png_without_pixels(10_000, 10_000), max_pixels=10**9, memory=budget, timeout_s=60)
    assert budget.taken_bytes == 0


def test_an_image_waits_for_another_and_no_longer_than_its_time():
    budget = MemoryBudget(1000)
    with budget.reserve(600, 0), pytest.raises(Overloaded, match="IMAGE_MEMORY_MB"):
        budget.reserve(600, 0.05).__enter__()
    with budget.reserve(600, 0.05):
        assert budget.taken_bytes == 600


def test_memory_that_becomes_free_goes_to_who_waits():
    budget, order = MemoryBudget(1000), []
    first = budget.reserve(600, 0)
    first.__enter__()

    def wait() -> None:
        with budget.reserve(600, 60):
            order.append("second")

    waiting = threading.Thread(target=wait)
    waiting.start()
    order.append("first")
    first.__exit__(None, None, None)
    waiting.join(60)
    assert order == ["first", "second"]


def test_large_images_leave_room_for_the_common_ones():
    budget = MemoryBudget(1000)
    with budget.reserve(740, 0):
        with pytest.raises(Overloaded):
            budget.reserve(255, 0).__enter__()  # a large one, for which 250 would be too much
        with budget.reserve(200, 0):
            assert budget.taken_bytes == 940


def test_a_decoded_image_counts_until_nobody_has_it():
    budget = MemoryBudget(2**30)
    image = decode(coded(Image.new("RGB", (300, 200)), "PNG"), memory=budget)
    assert budget.taken_bytes == image.nbytes
    view = image[::2].swapaxes(0, 1)
    del image
    gc.collect()
    assert budget.taken_bytes > 0
    del view
    wait_until(lambda: gc.collect() >= 0 and budget.taken_bytes == 0)


def test_a_damaged_image_gives_its_memory_back():
    budget = MemoryBudget(2**30)
    with pytest.raises(Exception, match="damaged"):
        decode(png_without_pixels(100, 100), memory=budget)
    assert budget.taken_bytes == 0


@pytest.mark.parametrize("mode", ["I;16", "F", "RGB", "RGBA"])
def test_pixels_become_rgb_piece_by_piece(mode):
    side_px = 2500
    if mode in ("I;16", "F"):
        dtype = np.uint16 if mode == "I;16" else np.float32
        stored = Image.fromarray(np.full((side_px, side_px), 7, dtype))
    else:
        stored = Image.new(mode, (side_px, side_px))
    data = coded(stored, "TIFF")
    del stored
    tracemalloc.start()
    try:
        image = decode(data, max_pixels=10**8)
        peak = tracemalloc.get_traced_memory()[1]  # NumPy's arrays; Pillow has its own memory
    finally:
        tracemalloc.stop()
    assert peak < image.nbytes + 40 * 2**20  # at 39 bytes a pixel the levels took 240 MB
