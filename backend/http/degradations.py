"""What works less well than it could, with remedies: for the start block and /ready."""

from backend.errors import StoreError
from backend.prediction.model_versions import unused_lessons_warning
from backend.service import Service


def degradations(service: Service) -> list[str]:
    """One or two sentences for each problem that does not stop predictions."""
    store = service.store.describe()
    found = [store["degraded"]] if store["degraded"] else []
    found += store["advice"]
    if service.group is not None and not store["up"]:
        found.append(
            f"While the store is away, the {service.group.n_workers} workers share nothing of "
            "projects: each knows the settings that it was sent itself."
        )
    if service.is_model_loaded:
        found += model_degradations(service.annotator.describe())
        found += unused_lessons_warnings(service)
    found += list(service.lessons.unreadable.values())  # other threads change it
    if n := service.events.set_aside.count():
        found.append(
            f"{n} corrections could not be learned and are set aside: `python -m backend memory "
            "show` says why, `python -m backend memory retry` has them tried again."
        )
    found += filter(None, [service.server_problem, service.key_check.problem])
    return found


def model_degradations(description: dict[str, str]) -> list[str]:
    """Sentences on checkpoint and device. `description`: of `Annotator.describe`."""
    found = []
    if description["model"].startswith("starter-"):
        found.append(
            "The starter checkpoint is small and meant for a first look. For real work set "
            "CLIP_MODEL=ViT-B-16-quickgelu CLIP_PRETRAINED=openai, or larger."
        )
    if description["tower_warning"]:
        found.append(description["tower_warning"])
    if description["device"] == "cpu":
        found.append(
            "No GPU is used: an image takes seconds, and large models many. With an NVIDIA GPU "
            "install PyTorch's CUDA build, and leave DEVICE at auto."
        )
    return found


def unused_lessons_warnings(service: Service) -> list[str]:
    found = []
    for project in projects_with_lessons(service):
        settings = service.projects.settings_of(project)
        if sentence := unused_lessons_warning(service.annotator, project, settings):
            found.append(f"Project {project}: {sentence}")
    return found


def projects_with_lessons(service: Service) -> list[str]:
    """Names of the projects with lessons; empty while the store is down."""
    try:
        return service.lessons.projects()
    except StoreError:
        return []
