"""What was learned, by hand: shown, written to a file, read back, forgotten."""

import numpy as np
import pytest

from backend.commands.cli import main
from backend.errors import SettingsError
from backend.http.app import create_app
from backend.learning.event_queue import EventQueue
from backend.learning.set_aside import RefusedPart
from backend.memory.export_file import export_lessons, import_lessons, read_export
from backend.memory.lesson_store import LessonStore, NewLesson
from backend.store.keys import memory_key
from backend.store.store import open_store
from model import SegmentSettings, TaughtMask, Vocabulary
from tests.support.fake_label_studio import LEGACY, as_json

NOWHERE = "http://127.0.0.1:9"
TOKEN = {"LABEL_STUDIO_API_KEY": LEGACY}


@pytest.fixture(scope="module")
def lessons(tiny_segmenter, photo) -> list[NewLesson]:
    method = SegmentSettings().resolve()
    (features,) = tiny_segmenter.encode([photo], method)
    words, found = Vocabulary.of(["Cat"]), []
    for rows in (10, 20, 30):
        mask = np.zeros(photo.shape[:2], dtype=bool)
        mask[:rows] = True
        lesson = tiny_segmenter.learn(features, photo, [TaughtMask("Cat", mask)], words, method)
        found.append(NewLesson("tag", 0, lesson))
    return found


@pytest.fixture
def data_store(tmp_path):
    store = open_store(None, tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def memory(data_store, lessons):
    """A memory whose project 7.100 learned from three annotations, in two versions."""
    memory = LessonStore(data_store, learn_every=2)
    for n, lesson in enumerate(lessons):
        memory.teach("7.100", str(n), f"task {n}", n, [lesson])
    memory.train("7.100")
    return memory


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name, value in (
            {"LABEL_STUDIO_URL": NOWHERE, "LABEL_STUDIO_API_KEY": ""} | environment
        ).items():
            monkeypatch.setenv(name, value)
        code = main(["memory", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def content(memory, project) -> str:
    return memory.index(project).version().name.split("-")[1]


def test_show_lists_projects_labels_and_versions(run, memory):
    assert run("show") == (0, "7.100                    3 annotations, 2 versions\n", "")
    code, said, _ = run("show", "7")
    assert code == 0
    assert "Cat                      3 annotations" in said
    assert f"version {memory.index('7.100').versions[1].name}" in said
    assert "0 changed annotations wait" in said
    assert run("show", "8")[0] == 1


def test_corrections_that_were_set_aside_are_listed_and_tried_again(run, data_store, tmp_path):
    queue = EventQueue(data_store, tmp_path / "data")
    queue.push({"action": "ANNOTATION_CREATED"})
    (queued,) = queue.take(1)
    queue.set_aside.move(
        queued.id, [RefusedPart(b'{"n":1}', "9.100", "annotation 7 of task 5", "No host answers.")]
    )
    said = run("show")[1]
    assert "1 corrections are set aside" in said
    assert "project 9.100, annotation 7 of task 5: No host answers." in said
    assert run("retry", "8")[1].startswith("0 corrections")
    assert run("retry", "9")[1].startswith("1 corrections are in the queue again")
    assert queue.take(1)[0].event == {"n": 1}
    assert "set aside" not in run("show")[1]


def test_a_project_that_cannot_be_read_hides_no_other_one(run, memory, data_store):
    memory.teach("8.100", "1", "t", 1, [])
    data_store.set_many({memory_key("8.100", "state"): b'{"format": 3}'})
    code, said, _ = run("show")
    assert code == 0
    assert "7.100                    3 annotations" in said
    assert "What project 8.100 learned cannot be read" in said
    assert run("forget", "8")[1] == "project 8.100: forgotten\n"


def test_a_file_brings_a_forgotten_project_back_as_it_was(run, memory, tmp_path):
    path, before = tmp_path / "seven.safetensors", content(memory, "7.100")
    assert run("export", "7", str(path))[0] == 0
    assert run("forget", "7")[1] == "project 7.100: forgotten\n"
    assert run("show")[1] == "Nothing has been learned yet.\n"
    assert run("import", "7.100", str(path))[0] == 0
    assert content(memory, "7.100") == before
    assert run("import", "7.100", str(path))[1].startswith("project 7.100: 0 annotations")


def test_one_version_can_be_exported_and_teach_another_project(run, memory, tmp_path):
    path = tmp_path / "v1.safetensors"
    assert run("export", "7", str(path), "--version", "1")[0] == 0
    assert run("import", "8.200", str(path))[0] == 0
    assert sorted(memory.index("8.200").annotations) == ["7.100/0", "7.100/1"]
    code, _, said = run("export", "7", str(path), "--version", "9")
    assert code == 1
    assert "keeps no version 9. Kept are: 1-" in said


def test_one_annotation_can_be_forgotten(run, memory):
    assert "forgotten" in run("forget", "7", "--annotation", "1")[1]
    assert sorted(memory.index("7.100").annotations) == ["0", "2"]
    assert "nothing to forget" in run("forget", "7", "--annotation", "1")[1]


def test_a_newer_update_stays_when_an_older_file_is_read(memory, lessons, tmp_path):
    path = tmp_path / "old.safetensors"
    export_lessons(memory, "7.100", path)
    memory.teach("7.100", "0", "task 0", 99, [lessons[2]])
    memory.delete("7.100", annotations=["1"])
    import_lessons(memory, "7.100", path)
    index = memory.index("7.100")
    assert index.annotations["0"].updated_us == 99
    assert "1" not in index.annotations


def test_a_number_that_two_projects_have_must_be_told_apart(run, memory, lessons):
    memory.teach("7.200", "0", "t", 1, lessons[:1])
    code, _, said = run("show", "7")
    assert code == 1
    assert "may be 7.100 or 7.200" in said


@pytest.fixture
def exported(memory, tmp_path):
    path = tmp_path / "seven.safetensors"
    export_lessons(memory, "7.100", path)
    return path


def test_a_file_teaches_the_project_that_was_set_up_under_this_number(
    run, make_service, memory, exported, data_store
):
    """Label Studio names it 57.1795366020, and shows it as 57."""
    service = make_service(is_loaded=False)
    service.store = data_store
    service.load_model()
    client = create_app(service).test_client()
    assert client.post("/setup", json={"project": "57.1795366020"}).status_code == 200
    assert run("import", "57", str(exported))[0] == 0
    assert len(memory.index("57.1795366020").annotations) == 3
    assert memory.projects() == ["57.1795366020", "7.100"]


def test_a_file_teaches_a_project_that_label_studio_alone_knows(run, memory, exported, studio):
    studio.pages["/api/projects/57/"] = as_json(
        {"id": 57, "created_at": "1970-01-01T00:05:00.123456Z"}
    )
    code, said, _ = run("import", "57", str(exported), **TOKEN, LABEL_STUDIO_URL=studio.url)
    assert (code, said.partition(":")[0]) == (0, "project 57.300")
    for verb in ("show", "forget"):
        assert run(verb, "57")[1].startswith("project 57.300: ")


def test_a_project_that_nobody_knows_is_refused(run, memory, exported, studio):
    for variables, words in (
        ({"LABEL_STUDIO_URL": studio.url, **TOKEN}, "has no project 57"),
        ({"LABEL_STUDIO_URL": studio.url}, "no token is given"),
        ({}, "connect the model to the project first"),
    ):
        code, _, said = run("import", "57", str(exported), **variables)
        assert code == 1
        assert words in said
    assert "is no project" in run("import", "scratches", str(exported))[2]
    assert memory.projects() == ["7.100"]


def test_what_an_earlier_release_stored_under_the_number_alone_does_not_count_as_the_project(
    run, memory, lessons, exported, studio
):
    memory.teach("57", "0", "t", 1, lessons[:1])
    assert run("import", "57", str(exported))[0] == 1
    studio.pages["/api/projects/57/"] = as_json({"id": 57, "created_at": "1970-01-01T00:05:00Z"})
    said = run("import", "57", str(exported), **TOKEN, LABEL_STUDIO_URL=studio.url)[1]
    assert said.startswith("project 57.300: 3 annotations")


def test_of_two_projects_with_one_number_the_one_of_label_studio_is_meant(
    run, memory, lessons, studio
):
    memory.teach("7.200", "0", "t", 1, lessons[:1])
    studio.pages["/api/projects/7/"] = as_json({"id": 7, "created_at": "1970-01-01T00:03:20Z"})
    code, said, _ = run("show", "7", **TOKEN, LABEL_STUDIO_URL=studio.url)
    assert (code, said.partition(":")[0]) == (0, "project 7.200")


@pytest.mark.parametrize("spoil", ["gone", "empty", "cut", "text", "another safetensors"])
def test_what_is_no_memory_is_refused_whole(memory, tmp_path, spoil):
    from safetensors.numpy import save_file

    path = tmp_path / "file.safetensors"
    export_lessons(memory, "7.100", path)
    data = path.read_bytes()
    if spoil == "gone":
        path.unlink()
    elif spoil == "another safetensors":
        save_file({"x": np.zeros(3)}, path)
    else:
        path.write_bytes({"empty": b"", "cut": data[:-100], "text": b"hello" * 100}[spoil])
    with pytest.raises(SettingsError, match="cannot be read as a memory"):
        import_lessons(memory, "9.1", path)
    assert "9.1" not in memory.projects()


def test_a_file_whose_bytes_were_changed_is_refused_or_read_never_worse(memory, tmp_path):
    path = tmp_path / "file.safetensors"
    export_lessons(memory, "7.100", path)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(60):
        spoiled = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            spoiled[place] ^= int(rng.integers(1, 256))
        for place in rng.integers(0, 600, 2):
            spoiled[place] ^= int(rng.integers(1, 256))
        path.write_bytes(spoiled)
        try:
            read_export(path)
        except SettingsError:
            continue
