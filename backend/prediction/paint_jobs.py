"""What is to be painted in one task: its targets, each with the prompts that point at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.label_studio.smart_prompts import Prompt, prompts_of_control
from backend.prediction.predict_request import PredictRequest
from backend.prediction.task_targets import MaskTarget


@dataclass(frozen=True)
class Job:
    """A target to paint, or to answer the prompts of."""

    target: MaskTarget
    prompts: Sequence[Prompt] = ()

    def page_key(self, request: PredictRequest) -> Any:
        """Equal for jobs that one image with its features is enough for."""
        uri = self.target.image.value
        if not isinstance(uri, str):
            return self.target.place  # which fails by itself
        return (uri, self.target.labels) if request.project.method.encoder.reads_text else uri


def jobs_of(targets: Sequence[MaskTarget], request: PredictRequest) -> list[Job]:
    """Every target, or those that the request's prompts point at."""
    if request.prompts is None:
        return [Job(target) for target in targets]
    jobs = []
    for target in targets:
        request.check_time()
        prompts = prompts_of_control(target.control, target.image.page, request.prompts)
        if prompts:
            jobs.append(Job(target, prompts))
    return jobs
