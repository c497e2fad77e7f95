"""First times are slow: what a service does before it is asked."""

from backend.http.warm_up import start_words
from backend.label_studio.project_settings import ProjectSettings
from model import Vocabulary
from tests.support.label_configs import IMAGE, brush_labels, config


def test_a_setup_begins_to_embed_the_words_of_its_labels(service):
    prompts = service.default_segment_settings.resolve().decision.prompts
    label_config = config(IMAGE, brush_labels('<Label value="Okapi"/>'))
    start_words(service, label_config, ProjectSettings())
    begun = service.words.start(Vocabulary.of(["Okapi"]), prompts)
    if begun is not None:
        begun.future.result(60)
    hits = service.segmenter.encode_text.counts["hits_process"]
    service.segmenter.encode_text(["okapi"], prompts.templates)
    assert service.segmenter.encode_text.counts["hits_process"] == hits + 1


def test_a_config_that_cannot_be_read_is_no_reason_to_fail(service, caplog):
    start_words(service, "<View", ProjectSettings())
    assert caplog.records
