"""Texts of each photo: whole texts for its class token, single words for its patches."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from model.starter.train.wordnet import WordNet

TEMPLATES = (
    "{}",
    "a {}",
    "a photo of a {}.",
    "a photo of the {}.",
    "a picture of a {}.",
    "there is a {} here.",
    "a close-up photo of a {}.",
    "a photo of {}.",
    "this is a photo of a {}.",
    "one {}.",
    "a bright photo of a {}.",
    "a blurry photo of a {}.",
    "a cropped photo of a {}.",
    "a photo of a small {}.",
    "a photo of a large {}.",
    "many {}s.",
    "the {} in the scene.",
    "a low resolution photo of a {}.",
    "a good photo of a {}.",
    "my {}.",
)
WORD_TEMPLATES = ("{}", "a {}", "a photo of a {}.", "the {} in the scene.")
TEXTS_A_PHOTO = 6


@dataclass(frozen=True)
class PhotoTexts:
    texts: tuple[str, ...]  # each describes the whole photo
    words: tuple[str, ...]  # things in it


def describe(photo: dict[str, Any], wordnet: WordNet, rng: random.Random) -> PhotoTexts:
    """Texts and words of one row of the training data (captions, labels, objects)."""
    labels = [label.lower() for label in photo["labels"]]
    objects = [name.lower() for name in photo["objects"]]
    related = wordnet.related(labels)
    texts = list(photo["captions"])
    for question, answer in (t.split("? ", 1) for t in photo["captions"] if "? " in t):
        texts += [answer, f"{question.split(' ', 2)[-1]}: {answer}"]
    if labels:
        joined = ", ".join(labels[:4])
        names = [*labels[:4], *related[:3]]
        texts += [rng.choice(TEMPLATES).format(rng.choice(names)) for _ in range(4)] + [joined]
    if objects:
        place = labels[0] if labels else "scene"
        for _ in range(3):
            some = rng.sample(objects, min(len(objects), rng.randint(1, 4)))
            texts.append(f"a {place} with {', '.join(some)}.")
    rng.shuffle(texts)
    words = [wordnet.singular(w) for w in (*labels, *objects)] + labels + related
    for caption in photo["captions"]:
        named = wordnet.nouns_of(caption)
        words += named
        for noun in named:
            words += wordnet.related([noun], depth=3)[:4]
    return PhotoTexts(tuple(texts[:TEXTS_A_PHOTO]), tuple(dict.fromkeys(words)))


def frequent_words(descriptions: list[PhotoTexts], at_least: int) -> list[str]:
    """Words of at least so many photos, most frequent first."""
    counts = Counter(word for d in descriptions for word in d.words)
    return [word for word, count in counts.most_common() if count >= at_least]
