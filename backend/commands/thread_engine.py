"""The engine of `prelabel` in this process, with the annotator of /predict."""

from dataclasses import replace

from backend.prelabeling.engines import TASK_BUDGET_S, ThreadEngine
from backend.service import Service


def thread_engine(service: Service) -> ThreadEngine:
    annotator = replace(service.annotator, budget_s=TASK_BUDGET_S, parallel_tasks=1)
    return ThreadEngine(annotator, service.concurrency.parallel_tasks)
