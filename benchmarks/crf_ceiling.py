"""Agreement with pydensecrf2: python -m benchmarks.crf_ceiling [--limit 4] [--pixels 7776]

pydensecrf2 sums over a permutohedral lattice what ours sums over all pairs of pixels. Images of the
sets, shrunk (exact sums grow with the square of the pixels), unary from the truth made blocky; the
shares of pixels that get the same label, of all and of those that the second changes:

    ours | pydensecrf2                      what is asked for
    ours, with its lattice | pydensecrf2    1 if nothing but the lattice tells them apart
    pydensecrf2 | its lattice moved         how far its labels are its own: 1 if its sums were exact
"""

import argparse

import torch
from torch import Tensor

from benchmarks.blocky import blocky_probs
from benchmarks.crf_peers import HAS_PYDENSECRF, pydensecrf
from benchmarks.datasets import TABLE_SETS, add_data_arguments, chosen_sets
from benchmarks.lattice import lattice_mean_field
from model.refine.crf import MIN_PROB, CrfConfig, mean_field
from model.refine.refiners import ABSENT_PROB
from model.refine.tiles import classes_above, resize

SETTINGS = {
    "defaults": CrfConfig(),
    # Those of pydensecrf2's README at 320 x 240 px: 80 px, 13 levels, 10; 3 px, 3.
    "its README's": CrfConfig(
        iterations=5,
        appearance_weight=10.0,
        appearance_xy_std=80 / (320 * 240) ** 0.5,
        appearance_rgb_std=13.0,
        smoothness_weight=3.0,
        smoothness_xy_std=3 / (320 * 240) ** 0.5,
    ),
}
PAIRS = (
    "ours | pydensecrf2",
    "ours, with its lattice | pydensecrf2",
    "pydensecrf2 | its lattice moved",
)


def main() -> None:
    arguments = parse_arguments()
    if not HAS_PYDENSECRF:
        raise SystemExit("There is nothing to compare with: pip install pydensecrf2.")
    sets = chosen_sets(arguments, default=TABLE_SETS)
    for name, config in SETTINGS.items():
        counts = torch.zeros(len(PAIRS), 4)
        random = torch.Generator().manual_seed(0)
        for data in sets:
            for stem in data.spread(arguments.limit):
                sample = data.load(stem)
                image = torch.from_numpy(sample.image).permute(2, 0, 1)
                probs = blocky_probs(sample, len(data.class_names))
                counts += count(probs, shrink(image, arguments.pixels), config, random)
        print(f"{name}: {config}")
        for pair, (same, pixels, same_changed, changed) in zip(PAIRS, counts.tolist(), strict=True):
            print(
                f"  {pair:38} {100 * same / pixels:7.2f}% of all, "
                f"{100 * same_changed / changed:7.2f}% of the {100 * changed / pixels:.0f}% changed"
            )


def shrink(image: Tensor, pixels: int) -> Tensor:
    """(3, H, W) uint8 with about so many pixels."""
    factor = min(1.0, (pixels / (image.shape[1] * image.shape[2])) ** 0.5)
    size_hw = (round(image.shape[1] * factor), round(image.shape[2] * factor))
    return resize(image, size_hw).round().to(torch.uint8)


def count(probs: Tensor, image: Tensor, config: CrfConfig, random: torch.Generator) -> Tensor:
    """Pixels (pairs, 4): same label, all, same label of the changed ones, changed ones."""
    size_hw = (image.shape[1], image.shape[2])
    kept = probs[classes_above(probs, ABSENT_PROB)]
    unary = resize(kept, size_hw).clamp_min(MIN_PROB).log()
    before = unary.argmax(dim=0)
    rgb = image.float()
    ours = mean_field(unary, rgb, config).probs.argmax(dim=0)
    theirs = pydensecrf(unary, image.permute(1, 2, 0).numpy(), config).argmax(dim=0)
    with_lattice = lattice_mean_field(unary, rgb, config).argmax(dim=0)
    moved = lattice_mean_field(unary, rgb, config, random).argmax(dim=0)
    rows = []
    for one, other in ((ours, theirs), (with_lattice, theirs), (theirs, moved)):
        same, changed = one == other, other != before
        rows.append([same.sum(), same.numel(), same[changed].sum(), changed.sum()])
    return torch.tensor(rows)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crf_ceiling")
    add_data_arguments(parser)
    parser.set_defaults(limit=4)
    parser.add_argument("--pixels", type=int, default=72 * 108, help="of the shrunk images")
    return parser.parse_args()


if __name__ == "__main__":
    main()
