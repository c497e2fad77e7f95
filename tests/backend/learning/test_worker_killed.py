"""Events whose worker is killed are processed by the next one."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.annotations import KEY, taught
from tests.support.running_service import ROOT

WORKER = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.service import Service
from backend.settings import Settings
die_at = sys.argv[1]
service = Service(Settings.from_env())
queue = EventQueue(service.store, service.settings.data_dir, QueueConfig(claim_after_s=0.0))
class Dying:
    def __getattr__(self, name):
        if name == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(queue, name)
service.events = Dying()
if die_at == "learn":
    load = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    service.pages = replace(service.pages, load_image=load)
while service.learning_worker.process_one():
    pass
"""


def work_in_a_process(folder, checkpoint, die_at: str) -> int:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"CLIP_MODEL": checkpoint.model, "CLIP_PRETRAINED": checkpoint.pretrained}
    environment |= {"DEVICE": "cpu", "OMP_NUM_THREADS": "1", "DATA_DIR": str(folder)}
    command = [sys.executable, "-c", WORKER, die_at]
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=300, check=False).returncode


@pytest.mark.parametrize("die_at", ["learn", "acknowledge"])
def test_an_event_whose_worker_was_killed_is_learned_by_the_next(
    learner, send, corrected, tmp_path, tiny_checkpoint, die_at
):
    """Killed before anything is stored, or after that but before the event is done."""
    learner.queue.push(corrected())
    assert work_in_a_process(tmp_path, tiny_checkpoint, die_at) == -signal.SIGKILL
    assert taught(learner) == ([] if die_at == "learn" else ["1"])
    assert learner.queue.size() == 1
    send()
    assert taught(learner) == ["1"]
    assert learner.queue.size() == 0
    assert learner.lessons.index(KEY).changes == 1


def test_an_event_that_takes_its_workers_down_is_set_aside(learner, send, corrected, caplog):
    learner.queue.push(corrected())
    for _ in range(2):  # begun, and never heard of again
        (queued,) = learner.queue.take(1)
        learner.queue.tries.begin(queued.id)
    send(corrected(2))
    assert taught(learner) == ["2"]
    assert learner.queue.size() == 0
    assert "annotation 1 is set aside: It failed 2 times" in caplog.text
