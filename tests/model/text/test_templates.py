"""Prompt templates as data."""

from model.text.templates import TEMPLATES


def test_all_template_sets_have_one_place_for_the_word():
    assert len(TEMPLATES["imagenet80"]) == len(set(TEMPLATES["imagenet80"])) == 80
    for templates in TEMPLATES.values():
        for template in templates:
            assert template.count("{}") == 1
