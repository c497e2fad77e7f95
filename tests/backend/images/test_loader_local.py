"""Local files: read below the root alone, and no pipe, link or other file."""

import os
from pathlib import Path

import pytest

from backend.errors import (
    ImageError,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
    SettingsError,
)
from tests.support.image_files import PNG, PNG_REPLY, is_the_image, loader


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "imgs").mkdir(parents=True)
    (root / "imgs" / "a b+ф.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "in.png").symlink_to(root / "imgs" / "a b+ф.png")
    return root


@pytest.mark.parametrize(
    "uri",
    [
        "/data/local-files/?d=imgs/a%20b%2B%D1%84.png",
        "/data/local-files/?d=/imgs/a%20b%2Bф.png",
        "/data/local-files?d=imgs/a b%2Bф.png",
        "/sub/data/local-files/?d=in.png",
        "{studio}/data/local-files/?d=in.png",
        "imgs/a b+ф.png",
        "{root}/imgs/a b+ф.png",
        "{root}/imgs/../in.png",
        "file://{root}/imgs/a%20b+%D1%84.png",
    ],
)
def test_local_files_are_read_from_the_disk(studio, root, uri):
    uri = uri.format(root=root, studio=studio.url)
    assert is_the_image(loader(studio, local_root=root)(uri))
    assert not studio.asked


@pytest.mark.parametrize("path", ["../secret.png", "out.png", "imgs/../../secret.png", "%00"])
def test_local_files_that_lead_out_of_the_root_are_label_studios_to_judge(studio, root, path):
    with pytest.raises(ImageNotFound, match="answers 404"):
        loader(studio, local_root=root)(f"/data/local-files/?d={path}")
    assert studio.asked


def test_local_files_that_we_do_not_have_are_asked_from_label_studio(studio, root):
    studio.pages["/data/local-files/?d=imgs/b.png"] = PNG_REPLY
    assert is_the_image(loader(studio, local_root=root)("/data/local-files/?d=imgs/b.png"))


@pytest.mark.parametrize(
    "uri",
    [
        "{root}/../secret.png",
        "../secret.png",
        "{root}/out.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "file://{root}/%2e%2e/secret.png",
        "{root}-other/a.png",
    ],
)
def test_plain_paths_out_of_the_root_are_forbidden(studio, root, uri):
    with pytest.raises(ImageForbidden, match="LOCAL_FILES_DOCUMENT_ROOT"):
        loader(studio, local_root=root)(uri.format(root=root))


def test_without_a_root_no_file_is_read(studio, root):
    with pytest.raises(ImageForbidden, match="not set"):
        loader(studio)(f"{root}/in.png")


def test_a_file_that_is_not_there_is_not_found(studio, root):
    for name in ("imgs/none.png", "imgs", "x" * 300):  # nothing, a folder, an impossible name
        with pytest.raises(ImageNotFound):
            loader(studio, local_root=root)(name)


def test_a_pipe_is_not_waited_for(studio, root):
    os.mkfifo(root / "pipe.png")
    with pytest.raises(ImageNotFound):
        loader(studio, local_root=root)("pipe.png")


def test_links_in_a_circle_are_an_image_error(studio, root):
    (root / "one.png").symlink_to(root / "two.png")
    (root / "two.png").symlink_to(root / "one.png")
    with pytest.raises(ImageError):
        loader(studio, local_root=root)("one.png")


def test_a_file_above_the_limit_is_refused(studio, root):
    with pytest.raises(ImageTooLarge, match="IMAGE_MAX_MB"):
        loader(studio, local_root=root, max_bytes=100)("in.png")


def test_the_whole_disk_as_root_stops_the_start():
    with pytest.raises(SettingsError, match="LOCAL_FILES_DOCUMENT_ROOT=/"):
        loader(None, local_root=Path("/.."))
