"""Names of keys in Redis: stored data are found under them after an update."""

from hypothesis import given
from hypothesis import strategies as st

from backend.store.keys import (
    features_key,
    memory_key,
    predicted_masks_key,
    project_settings_key,
    text_embed_key,
    text_embed_prefix,
)


def test_keys_of_stored_data_do_not_change():
    assert memory_key("1.100", "index") == "firstpass:{memory:1.100}:index"
    assert project_settings_key("1.100") == "firstpass:project:1.100"
    assert predicted_masks_key("1.100", 7) == "firstpass:shown:1.100:7"
    assert features_key("digest", "space") == "firstpass:features:space:digest"
    prefix = text_embed_prefix("weights", "plain", ["{}"])
    assert text_embed_key(prefix, "cat") == "firstpass:text:weights:plain-01e7b720ff566d53:=cat"


def test_changed_templates_get_keys_of_their_own():
    assert text_embed_prefix("w", "photo", ["a {}"]) != text_embed_prefix("w", "photo", ["the {}"])


@given(st.lists(st.text(st.characters(), max_size=200), min_size=2, max_size=2, unique=True))
def test_two_texts_never_share_a_key(texts):
    assert text_embed_key("", texts[0]) != text_embed_key("", texts[1])
