"""Scores of regions: are they the IoU, and which regions are better left out?

    python -m benchmarks.scores --limit 15 --cache DIR

Fits the weights of model/scoring/expected_iou.py on all sets, and measures them with each set left
out: mean score beside mean IoU, rank correlation, and pieces to fix by `min_score`. Three kinds of
questions are asked of the images: by plain names, with labels of other sets added, and, on sets of
at most MAX_TAUGHT_CLASSES, with ten corrected images.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import spearmanr

from backend.evaluation.pieces import pieces_to_fix
from benchmarks.annotators import Project
from benchmarks.datasets import IGNORE, add_data_arguments, chosen_sets
from benchmarks.measuring import add_checkpoint_arguments, load_segmenter, with_kept_features
from model import ClassPrompt, Memory, Vocabulary
from model.scoring.expected_iou import IouWeights

KINDS = ("words", "more labels", "taught")
N_TAUGHT = 10  # corrected images
N_AFTER = 6  # images that are predicted with them
MAX_TAUGHT_CLASSES = 12
N_FOREIGN = 4  # labels of other sets
THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
RIDGE = 1e-3  # on standardized features


@dataclass(frozen=True)
class Region:
    data: str  # its set
    kind: str  # one of KINDS
    features: NDArray[np.float64]  # (5,)
    iou: float
    mean_prob: float  # of the mask, by the probs of patches: another score, for comparison
    shown: int  # pieces to fix if it is shown,
    left_out: int  # and if it is not


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments)
    segmenter = with_kept_features(load_segmenter(arguments), arguments.cache)
    names = {name for data in sets for name in data.class_names if name != "background"}
    regions: list[Region] = []
    for data in sets:
        foreign = sorted(names - set(data.class_names))
        regions += regions_of(Project(segmenter, data, arguments.limit), foreign)
        print(f"{data.name}: {len(regions)} regions so far", flush=True)
    scores = left_out_scores(regions)
    for kind in KINDS:
        print_kind(kind, regions, scores)
    print(f"\nweights: {fit(regions)}")


def regions_of(project: Project, foreign: Sequence[str]) -> Iterator[Region]:
    """The regions of all kinds of questions to one set."""
    rng = np.random.default_rng(0)
    plain = project.vocabulary
    more = Vocabulary((*plain.classes, *map(ClassPrompt, rng.choice(foreign, N_FOREIGN))))
    images = range(len(project.studied))
    for index in images:
        yield from found_regions(project, index, plain, KINDS[0])
        if index % 2:
            yield from found_regions(project, index, more, KINDS[1])
    if len(plain.classes) <= MAX_TAUGHT_CLASSES and len(images) > N_TAUGHT:
        order = rng.permutation(len(images)).tolist()
        memory = Memory.of([project.lesson(index) for index in order[:N_TAUGHT]])
        for index in order[N_TAUGHT:][:N_AFTER]:
            yield from found_regions(project, index, plain, KINDS[2], memory)


def found_regions(
    project: Project,
    index: int,
    vocabulary: Vocabulary,
    kind: str,
    memory: Memory | None = None,
) -> Iterator[Region]:
    """What is found in one image, beside the truth."""
    one = project.studied[index]
    features = replace(one.features, patch_tokens=one.features.patch_tokens.float())
    found = project.segmenter.segment(features, one.image, vocabulary, project.method, memory)
    known = one.truth != IGNORE
    for number, _, mask, _ in found.non_empty():
        is_asked_of_all = number < len(project.vocabulary.classes)
        truth = (one.truth == number + project.shift) & is_asked_of_all
        seen = mask & known
        either = np.count_nonzero(seen | truth)
        assert found.evidence is not None
        probs = F.interpolate(found.evidence.probs[None, None, number], mask.shape, mode="bilinear")
        yield Region(
            project.data.name,
            kind,
            found.evidence.features(number, mask),
            np.count_nonzero(seen & truth) / max(either, 1),
            float(probs[0, 0][torch.from_numpy(mask)].mean()),
            pieces_to_fix(truth, mask, known),
            pieces_to_fix(truth, np.zeros_like(mask), known),
        )


def fit(regions: Sequence[Region]) -> IouWeights:
    """Least squares of the IoU; a set weighs by the square root of its number of regions."""
    x, y = np.stack([one.features for one in regions]), np.array([one.iou for one in regions])
    counts = {one.data: 0 for one in regions}
    for one in regions:
        counts[one.data] += 1
    weight = np.array([counts[one.data] ** -0.5 for one in regions])
    weight /= weight.sum()
    mean, spread = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / spread

    def loss_and_gradient(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        iou = 1 / (1 + np.exp(-(values[0] + z @ values[1:])))
        slope = 2 * weight * (iou - y) * iou * (1 - iou)
        loss = float(weight @ (iou - y) ** 2 + RIDGE * values[1:] @ values[1:])
        return loss, np.append(slope.sum(), z.T @ slope + 2 * RIDGE * values[1:])

    start = np.zeros(x.shape[1] + 1)
    intercept, *of_features = minimize(loss_and_gradient, start, jac=True).x
    raw = np.array(of_features) / spread
    values = [intercept - raw @ mean, *raw]
    names = [field.name for field in fields(IouWeights)]
    return IouWeights(**{n: round(float(v), 3) for n, v in zip(names, values, strict=True)})


def left_out_scores(regions: Sequence[Region]) -> NDArray[np.float64]:
    """The score of each region by weights of sets of other photos."""
    scores = np.zeros(len(regions))
    for photos in {photos_of(one) for one in regions}:
        weights = fit([one for one in regions if photos_of(one) != photos])
        for index, one in enumerate(regions):
            if photos_of(one) == photos:
                scores[index] = weights.iou(one.features)
    return scores


def photos_of(region: Region) -> str:
    return region.data.split("/")[0]


def print_kind(kind: str, regions: Sequence[Region], scores: NDArray[np.float64]) -> None:
    """One row a set, then all."""
    print(f"\n{kind}: regions, mean IoU, mean score, rank correlation (of the mean prob),")
    print(
        f"  {'and pieces to fix by min_score':66}"
        + "".join(f"{threshold:>7}" for threshold in THRESHOLDS)
    )
    of_kind = [index for index, one in enumerate(regions) if one.kind == kind]
    for name in [*dict.fromkeys(regions[index].data for index in of_kind), "all"]:
        chosen = [index for index in of_kind if name in ("all", regions[index].data)]
        rows, score = [regions[index] for index in chosen], scores[chosen]
        iou, prob = (np.array([read(one) for one in rows]) for read in READ)
        pieces = [
            sum(r.shown if s >= least else r.left_out for r, s in zip(rows, score, strict=True))
            for least in THRESHOLDS
        ]
        print(
            f"  {name:26} {len(rows):5} {iou.mean():8.3f} {score.mean():8.3f} "
            f"{correlation(score, iou)} ({correlation(prob, iou)})"
            + "".join(f"{count:7}" for count in pieces)
        )


READ: tuple[Callable[[Region], float], ...] = (lambda one: one.iou, lambda one: one.mean_prob)


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> str:
    """Spearman's, of at least 5 regions that differ."""
    has_one = len(a) >= 5 and np.ptp(a) > 0 and np.ptp(b) > 0
    return f"{spearmanr(a, b)[0]:6.2f}" if has_one else "     -"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scores")
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    parser.add_argument("--cache", type=Path, help="folder for the features of images")
    return parser.parse_args()


if __name__ == "__main__":
    main()
