"""Synonyms for labels, from the lists of related words that negatives are chosen with."""

from collections.abc import Sequence

from model.text.negatives import related_words
from model.text.vocabulary import ClassPrompt, clean_name, means_background
from model.text.words import RELATED_WORDS


def synonyms_from_word_lists(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each label the words related to it and to no other; labels without any are left out.

    Related is wider than synonymous, "window" to "building" say, so measure what they gain.

    >>> synonyms_from_word_lists(["Sky", "Snow", "Ice", "Other"])
    {'Sky': ('cloud', 'heaven')}
    """
    related = {
        name: related_words([name]) for name in names if not means_background(ClassPrompt(name))
    }
    listed = set().union(*RELATED_WORDS)
    found: dict[str, tuple[str, ...]] = {}
    for name, words in related.items():
        of_others = set().union(*(related[other] for other in related if other != name))
        own = {clean_name(name), *clean_name(name).split()}
        if chosen := sorted((words & listed) - own - of_others):
            found[name] = tuple(chosen)
    return found
