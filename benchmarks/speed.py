"""What a method's dense features cost beside plain ViT windows: python -m benchmarks.speed

The peer is open_clip's own forward pass over the same windows (224 px, half overlapping, of a short
side of 336 px, for every method), batched alike. Both run in turns and the ratio is of their
medians: it carries over to other machines, the times do not.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from benchmarks.measuring import add_checkpoint_arguments, load_segmenter
from model import METHODS, Segmenter, Vocabulary
from model.encoder.image_encoder import ImageEncoder
from model.encoder.published.resclip import TextQuery
from model.encoder.window_batches import batched_windows
from model.encoder.windows import WindowConfig, plan_windows

WORDS = Vocabulary.of(["person", "rocket", "flag", "helmet", "sky", "wall"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    add_checkpoint_arguments(parser)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 768), metavar=("W", "H"))
    arguments = parser.parse_args()

    segmenter = load_segmenter(arguments)
    encoder = segmenter.encode_image
    image = np.array(Image.fromarray(astronaut()).resize(arguments.size))
    print(
        f"{segmenter.model_name}, {arguments.size[0]} x {arguments.size[1]}, "
        f"{torch.get_num_threads()} threads, {encoder.device}"
    )
    print("| method | plain windows, ms | dense features, ms | ratio |\n|---|---|---|---|")
    for name in arguments.methods:
        method = METHODS[name]
        windows = replace(method.windows, short_side_px=336, window_px=224, stride_px=112)
        query = TextQuery(segmenter.encode_text(WORDS.names), method.decision.logits.logit_scale)
        plain_s, dense_s = in_turns(
            partial(plain_windows, encoder, image, windows),
            partial(encoder, [image], windows, method.encoder, [query]),
            arguments.rounds,
        )
        print(
            f"| {name} | {plain_s * 1e3:.0f} | {dense_s * 1e3:.0f} | {dense_s / plain_s:.2f} |",
            flush=True,
        )
    print_whole(segmenter, image, arguments.rounds)


def print_whole(segmenter: Segmenter, image: NDArray[np.uint8], rounds: int) -> None:
    """What a whole image takes, texts embedded before."""
    method = METHODS["firstpass"]
    features = segmenter.encode([image], method)[0]
    whole_s, tail_s = in_turns(
        lambda: segmenter([image], WORDS),
        lambda: segmenter.segment(features, image, WORDS, method),
        rounds,
    )
    print(
        f"{segmenter.version(method)}, {len(WORDS.classes)} labels: {whole_s * 1e3:.0f} ms an "
        f"image, {tail_s * 1e3:.0f} of them after the features"
    )


def in_turns(
    one: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Median seconds of both, after one round that does not count."""
    taken_s: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for run, own_s in zip((one, other), taken_s, strict=True):
            started_s = time.perf_counter()
            run()
            own_s.append(time.perf_counter() - started_s)
    return statistics.median(taken_s[0][1:]), statistics.median(taken_s[1][1:])


@torch.inference_mode()
def plain_windows(encoder: ImageEncoder, image: NDArray[np.uint8], windows: WindowConfig) -> None:
    """The windows through open_clip's tower as it is."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    plan = plan_windows((image.shape[0], image.shape[1]), windows, encoder.patch_px)
    for batch in batched_windows([image], [plan], n_heads=encoder.n_heads, stitch=False):
        pixels = (batch.pixels.float() / 255 - mean) / std
        encoder.visual(pixels.to(encoder.device)).cpu()


if __name__ == "__main__":
    main()
