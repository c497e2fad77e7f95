"""Whether the labels themselves name what is around things, and which of them does.

Automatic negatives stand for what no label names. Where labels name it, negatives take pixels from
them: of skin beside a lesion, of the roads and fields of a satellite picture. Rules on the words
alone, heuristics of ours; what they gain is in benchmarks/README.md ("Negatives").
"""

from collections.abc import Sequence

from model.text.words import DEFECTS, FINDINGS, SCENE_LINES, SURFACES

MIN_SCENE_LINES = 4  # of SCENE_LINES: labels of streets name 4 or more, of things 2 at most
SKY = frozenset({"sky", "cloud"})

Texts = Sequence[str]  # of a label, cleaned as by vocabulary.clean_name


def cover_the_scene(labels: Sequence[Texts]) -> bool:
    """Whether the labels name most of what a scene consists of, or divide the sky."""
    nouns = {head_noun(text) for texts in labels for text in texts}
    named = sum(bool(nouns & line) for line in SCENE_LINES)
    return named >= MIN_SCENE_LINES or (nouns == SKY)


def surface_index(labels: Sequence[Texts]) -> int | None:
    """Index of the label that names the surface on which all others are: skin beside skin lesion.

    None if there is no such label, or several.
    """
    surfaces = [
        index
        for index, texts in enumerate(labels)
        if any(head_noun(text) in SURFACES for text in texts)
    ]
    if len(surfaces) != 1 or len(labels) < 2:
        return None
    (found,) = surfaces
    surface_words = {word for text in labels[found] for word in text.split()}
    others = (texts for index, texts in enumerate(labels) if index != found)
    return found if all(_is_on(texts, surface_words) for texts in others) else None


def are_findings(labels: Sequence[Texts]) -> bool:
    """Whether all labels are findings on some surface, at least one of them unmistakably: a hole or
    a spot may be in any photo, a crack or a lesion is looked for on a surface."""
    nouns = [{head_noun(text) for text in texts} for texts in labels]
    return all(one & FINDINGS for one in nouns) and any(one & DEFECTS for one in nouns)


def _is_on(texts: Texts, surface_words: set[str]) -> bool:
    """Whether a label's texts name something on the surface: a crack, or a part of it by name."""
    return any(
        head_noun(text) in FINDINGS or not surface_words.isdisjoint(text.split()[:-1])
        for text in texts
    )


def head_noun(text: str) -> str:
    """The last word of a cleaned English name, in the singular: "blood vessels" -> "vessel"."""
    noun = text.split()[-1] if text.split() else ""
    if noun.endswith("ches"):
        return noun.removesuffix("es")
    return noun if noun.endswith(("ss", "us")) else noun.removesuffix("s")
