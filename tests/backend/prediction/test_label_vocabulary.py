"""Words of labels and project on their way to the model."""

from backend.label_studio.controls import LabelSpec
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import vocabulary_of


def test_words_of_config_and_project_reach_the_model():
    labels = [
        LabelSpec("c", "Cat", hint="furry", synonyms=("kitten",), attrs={}),
        LabelSpec("Dog", "Dog", hint="", synonyms=(), attrs={}),
    ]
    project = ProjectSettings(
        synonyms={"c": ("tomcat",)}, descriptions={"Dog": "it barks"}, background=("floor",)
    )
    vocabulary = vocabulary_of(labels, project)
    assert [prompt.name for prompt in vocabulary.classes] == ["Cat", "Dog"]
    assert [prompt.synonyms for prompt in vocabulary.classes] == [("kitten", "tomcat"), ()]
    assert [prompt.description for prompt in vocabulary.classes] == ["furry", "it barks"]
    assert (vocabulary.background, vocabulary.auto_negatives) == (("floor",), True)
