"""The doctor's checks of this machine, on real sockets and folders."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.checks import local_checks
from backend.checks.installation import Check
from backend.checks.local_checks import check_data_folder, check_local_files, check_port
from tests.support.fake_label_studio import Reply, WebServer, as_json
from tests.support.running_service import free_port


def only(findings: Iterator[Check]) -> Check:
    (finding,) = findings
    return finding


def test_a_data_folder_that_cannot_be_written_names_the_setting(installation, tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = only(check_data_folder(replace(installation, data_dir=tmp_path / "file" / "data")))
    assert found.ok is False
    assert "DATA_DIR" in found.remedy


def test_a_full_disk_is_told(installation, monkeypatch):
    monkeypatch.setattr(local_checks, "MIN_FREE_BYTES", 1 << 70)
    found = only(check_data_folder(installation))
    assert found.ok is False
    assert "GB free" in found.found
    assert "make room" in found.remedy


def test_a_free_port_is_well(installation):
    assert only(check_port(replace(installation, port=free_port()))).ok is True


def test_a_port_of_another_program_is_told(installation):
    other = WebServer()
    try:
        found = only(check_port(replace(installation, port=other.port)))
    finally:
        other.close()
    assert found.ok is False
    assert "set PORT" in found.remedy


@pytest.mark.parametrize(
    "page",
    [
        as_json({"status": "UP", "model_class": "Firstpass"}),
        Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="Firstpass"'}),
    ],
    ids=["open", "with password"],
)
def test_a_port_where_firstpass_serves_already_is_well(installation, page):
    server = WebServer()
    server.pages["/health"] = page
    try:
        found = only(check_port(replace(installation, port=server.port)))
    finally:
        server.close()
    assert found.ok is True
    assert "already" in found.found


def test_an_address_of_another_machine_is_told(installation):
    found = only(check_port(replace(installation, host="192.0.2.1", port=free_port())))
    assert found.ok is False
    assert "HOST" in found.remedy


def test_local_files_are_looked_for(installation, tmp_path):
    found = only(check_local_files(replace(installation, local_root=tmp_path)))
    assert found.ok is True
    assert "LOCAL_FILES_SERVING_ENABLED=true" in found.found
    found = only(check_local_files(replace(installation, local_root=tmp_path / "none")))
    assert found.ok is False
    assert "LOCAL_FILES_DOCUMENT_ROOT" in found.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_local_files_that_this_user_cannot_read_are_told(installation, tmp_path):
    tmp_path.chmod(0o000)
    try:
        assert only(check_local_files(replace(installation, local_root=tmp_path))).ok is False
    finally:
        tmp_path.chmod(0o700)
