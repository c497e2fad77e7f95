"""Stored lessons stay in use: names of feature spaces change only where features do."""

from dataclasses import fields, is_dataclass, make_dataclass, replace

import pytest

from model.encoder.config import EncoderConfig
from model.encoder.windows import WindowConfig
from model.feature_space import feature_space, feature_text
from model.methods import METHODS, MethodConfig

# Those of version 0.1, under which people have stored lessons.
SPACES = {
    "clip": "962b4fc9",
    "maskclip": "c7e71ac4",
    "sclip": "55d93995",
    "clearclip": "57b0c547",
    "naclip": "6d52b04c",
    "gem": "fff91f35",
    "itaclip": "bae84d46",
    "resclip": "17041b96",
    "gclip": "d083e176",
    "sc-clip": "cda481dc",
    "rf-clip": "338e2781",
    "pearl": "dd9edcce",
    "sfp": "29bf67ba",
    "clip-surgery": "aa358e0b",
    "firstpass": "3d6f586e",
}
# The names leave defaults out, so a default is part of what they mean.
DEFAULTS = {
    "windows.short_side_px": 336,
    "windows.max_long_side_px": 2048,
    "windows.window_px": 224,
    "windows.stride_px": 112,
    "windows.global_view_px": 0,
    "windows.global_view_share": 0.5,
    "windows.views": (),
    "windows.flip_share": 0.0,
    "encoder.path": "last_block",
    "encoder.block_numbers": "scaled",
    "encoder.tower.positions": "offset",
    "encoder.tower.norm_eps": None,
    "encoder.tower.exact_gelu": False,
    "encoder.tower.suppress_channels": False,
    "encoder.tower.suppress_above": 2.0,
    "encoder.last_block.attention": "kk",
    "encoder.last_block.attention_gain": 1.0,
    "encoder.last_block.attend_class": True,
    "encoder.last_block.gaussian_std": 0.0,
    "encoder.last_block.kk_share": 0.0,
    "encoder.last_block.residual": False,
    "encoder.last_block.ffn": False,
    "encoder.last_block.class_share": 0.0,
    "encoder.last_block.stitch": False,
    "encoder.context.blocks": (),
    "encoder.context.emerging": False,
    "encoder.context.attention": "qk",
    "encoder.context.share": 0.0,
    "encoder.coherence.outliers": "",
    "encoder.coherence.block": 0,
    "encoder.coherence.min_cosine": 0.4,
    "encoder.coherence.cut_attention": False,
    "encoder.coherence.smoothing_block": 0,
    "encoder.coherence.level_blocks": (),
    "encoder.coherence.level_attention": "kk",
    "encoder.feedback.share": 0.0,
    "encoder.feedback.gain": 1.0,
    "encoder.feedback.min_prob": 0.0,
}


def values_of(config, name):
    for field in fields(config):
        value, full_name = getattr(config, field.name), f"{name}.{field.name}"
        if is_dataclass(value):
            yield from values_of(value, full_name)
        else:
            yield full_name, value


@pytest.mark.parametrize("name", METHODS)
def test_every_preset_keeps_the_space_of_its_lessons(name):
    assert feature_space(METHODS[name]) == SPACES[name]


def test_no_default_has_changed():
    now = dict([*values_of(WindowConfig(), "windows"), *values_of(EncoderConfig(), "encoder")])
    assert {name: now[name] for name in DEFAULTS} == DEFAULTS


def test_the_text_names_what_differs_from_the_defaults():
    assert feature_text(MethodConfig("plain")) == ""
    assert feature_text(METHODS["firstpass"]).splitlines() == [
        "encoder.last_block.attention='identity+qq'",
        "encoder.tower.positions='bicubic'",
        "windows.global_view_px=196",
    ]


def test_a_new_field_at_its_default_changes_no_space():
    wider = make_dataclass(
        "Wider", [("new_switch", bool, False)], bases=(WindowConfig,), frozen=True
    )
    method = METHODS["firstpass"]
    old = {field.name: getattr(method.windows, field.name) for field in fields(method.windows)}
    assert feature_space(replace(method, windows=wider(**old))) == feature_space(method)
    on = replace(method, windows=wider(**old, new_switch=True))
    assert feature_space(on) != feature_space(method)


def test_a_change_of_the_decision_or_the_name_changes_no_space():
    method = METHODS["firstpass"]
    other = replace(method, name="mine", decision=METHODS["naclip"].decision)
    assert feature_space(other) == feature_space(method)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_change_of_any_value_of_the_encoder_changes_the_space(name):
    method = MethodConfig("own")
    assert feature_space(with_value(method, name.split("."))) != feature_space(method)


def with_value(config, path):
    """The config with another value at the end of the path."""
    value = getattr(config, path[0])
    if len(path) > 1:
        return replace(config, **{path[0]: with_value(value, path[1:])})
    other = (1,) if isinstance(value, tuple) else "other" if isinstance(value, str) else 7
    return replace(config, **{path[0]: not value if isinstance(value, bool) else other})
