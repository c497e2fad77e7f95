"""First times are slow: what a service does before it is asked."""

from dataclasses import replace

from backend.http.warm_up import embed_words
from backend.label_studio.project_settings import ProjectSettings
from tests.support.label_configs import IMAGE, brush_labels, config


def test_warming_embeds_the_words_of_a_config(service):
    asked = []
    encode = service.segmenter.encode_text

    class Recorder:
        embed_dim, fingerprint = encode.embed_dim, encode.fingerprint

        def __call__(self, texts, templates="imagenet80"):
            asked.extend(texts)
            return encode(texts, templates)

    label_config = config(IMAGE, brush_labels('<Label value="Zebra"/>'))
    watched = replace(service.segmenter, encode_text=Recorder())
    embed_words(
        replace(service.resolve_context, segmenter=watched), label_config, ProjectSettings()
    )
    assert "zebra" in asked
