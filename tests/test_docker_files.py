"""docker/ without a Docker engine: what it names exists, and what it runs does what it should."""

import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from backend.settings import Settings, names_of
from backend.store.store import Store, open_store
from tests.support.valkey_server import valkey_server

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
GPU = yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text())
SETTINGS = {name for field in Settings.model_fields for name in names_of(field)}
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*")
# What the image sets for others than Firstpass: the shell, Python, the model hub's client.
OTHERS = {
    "PATH",
    "PYTHONUNBUFFERED",
    "HF_HOME",
    "PIP_NO_CACHE_DIR",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_ONLY_BINARY",
}


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", "", text).splitlines()
    split = (line.split(maxsplit=1) for line in lines if line.strip())
    return [(instruction, arguments) for instruction, arguments in split]


def all_of(name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions() if instruction == name]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in all_of("ENV") for pair in shlex.split(line))


def test_every_image_is_pinned_to_a_version():
    bases = [arg.removeprefix("BASE=") for arg in all_of("ARG") if arg.startswith("BASE=")]
    assert all_of("FROM") == ["${BASE} AS build", "${BASE}"]
    pulled = [s["image"] for s in COMPOSE["services"].values() if "build" not in s]
    others = [GPU["services"]["firstpass"]["build"]["args"]["BASE"]]
    assert len(bases) == 1
    assert len(pulled) == 2
    for image in bases + pulled + others:
        assert PINNED.fullmatch(image), image


def test_what_pip_installs_is_pinned_too_and_by_hash_where_its_index_is_pypi():
    installs = [
        one.split("&&")[0] for one in re.findall(r"pip install [^;]*", " ".join(all_of("RUN")))
    ]
    from_torch_index, *others = installs
    assert "-c constraints.txt torch torchvision --index-url" in from_torch_index
    assert len(others) == 2
    assert all("--no-deps --require-hashes -r requirements" in line for line in others)


def test_the_image_runs_as_a_user_without_rights_who_owns_the_data_folder():
    order = instructions()
    (user,) = all_of("USER")  # by number, which a cluster can tell from root
    uid, gid = user.split(":")
    assert int(uid) >= 1000
    assert order.index(("USER", user)) < order.index(("HEALTHCHECK", all_of("HEALTHCHECK")[0]))
    (creation,) = (line for line in all_of("RUN") if "useradd" in line)
    (name,) = re.findall(
        rf"groupadd --gid {gid} (\w+) .*useradd --uid {uid} --gid {gid} ", creation
    )
    assert all_of("VOLUME") == [environment()["DATA_DIR"]]
    assert f"install -d -o {name} -g {name} {environment()['DATA_DIR']}" in creation


def test_the_image_serves_on_the_port_it_exposes():
    assert environment()["HOST"] == "0.0.0.0"
    assert all_of("EXPOSE") == [environment()["PORT"]]
    assert json.loads(all_of("CMD")[-1]) == ["python", "-m", "backend", "serve"]


def test_what_is_copied_exists_and_is_sent_to_the_builder():
    copied = {
        source
        for line in all_of("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    locks = {"docker/requirements.lock", "docker/requirements-cuda.lock"}
    installed = {"constraints.txt", *locks}
    assert copied == {*installed, "LICENSE", "NOTICE", "model", "backend"}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{'docker/*.lock' if source in locks else source}" in ignore


def test_every_variable_is_a_setting_of_somebody():
    service = COMPOSE["services"]["firstpass"]["environment"]
    gpu = GPU["services"]["firstpass"]["environment"]
    named = {*environment(), *service, *gpu} - OTHERS
    assert named <= SETTINGS
    assert {"REDIS_URL", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"} <= service.keys()


def test_the_services_settings_are_accepted():
    service = COMPOSE["services"]["firstpass"]["environment"]
    gpu = GPU["services"]["firstpass"]["environment"]
    plain = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for name, value in {**environment(), **service, **gpu}.items()
    }
    settings = Settings.from_env(plain)
    assert (settings.host, settings.port) == ("0.0.0.0", 9090)
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.label_studio_url == "http://label-studio:8080"
    assert settings.clip_model == Settings().clip_model  # an empty variable is none


def test_the_services_find_each_other():
    services = COMPOSE["services"]
    assert set(services) == {"label-studio", "firstpass", "redis"}
    assert set(services["firstpass"]["depends_on"]) == {"redis"}
    assert services["firstpass"]["ports"][0].startswith("127.0.0.1:")
    assert "ports" not in services["redis"]
    label_studio = services["label-studio"]["environment"]
    # Label Studio 1.23.1+ would refuse the private address of Firstpass without both.
    assert label_studio["ML_BLOCK_LOCAL_IP"] == "false"
    assert label_studio["SSRF_PROTECTION_ENABLED"] == "false"
    root = label_studio["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"]
    assert services["firstpass"]["environment"]["LOCAL_FILES_DOCUMENT_ROOT"] == root
    for name in ("label-studio", "firstpass"):
        assert any(volume.endswith(f":{root}:ro") for volume in services[name]["volumes"])


def test_everything_worth_keeping_lies_in_a_volume():
    for service in COMPOSE["services"].values():
        kept = [volume.split(":")[0] for volume in service["volumes"]]
        assert any(name in COMPOSE["volumes"] for name in kept)


def test_the_gpu_file_changes_firstpass_alone():
    assert set(GPU["services"]) == {"firstpass"}
    arguments = {arg.split("=")[0] for arg in all_of("ARG")}
    assert set(GPU["services"]["firstpass"]["build"]["args"]) <= arguments


def config_of(store: Store, option: str) -> object:
    return store.run("ask", lambda client: client.config_get(option))


def test_redis_is_set_up_as_the_embedded_server_is(tmp_path):
    embedded = open_store(None, tmp_path)
    words = shlex.split(COMPOSE["services"]["redis"]["command"])
    assert words[0] == "valkey-server"
    options = {words[i].removeprefix("--"): words[i + 1] for i in range(1, len(words), 2)}
    with valkey_server(tmp_path / "theirs", options=options) as server:
        store = open_store(server.url, tmp_path)
        for option in options:
            asked, own = (config_of(one, option) for one in (store, embedded))
            assert asked == own
        assert store.describe()["advice"] == []
        store.close()
    embedded.close()


@pytest.mark.parametrize(
    ("status", "is_healthy"),
    [
        (200, True),
        (401, True),  # a password is set
        (503, False),
        (None, False),  # nobody listens
    ],
)
def test_the_health_check_tells_a_server_that_works(status, is_healthy):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/health" else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    command = json.loads(all_of("HEALTHCHECK")[0].split("CMD", 1)[1])
    assert command[:2] == ["python", "-c"]
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        port = server.server_port
        if status is None:
            server.server_close()
        else:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [sys.executable, *command[1:]],
            env={**os.environ, "PORT": str(port)},
            stderr=subprocess.DEVNULL,
        )
        if status is not None:
            server.shutdown()
    assert (done.returncode == 0) == is_healthy


def test_the_readme_names_the_defaults_as_they_are():
    readme = (DOCKER / "README.md").read_text()
    for argument in all_of("ARG"):
        name, default = argument.split("=", 1)
        assert f"| `{name}` | `{default}` |" in readme
    assert GPU["services"]["firstpass"]["build"]["args"]["BASE"] in readme
    compose = (DOCKER / "compose.yaml").read_text()
    for name in set(re.findall(r"\$\{(\w+):-", compose)):
        assert f"`{name}`" in readme
