"""What works less well than it could, each sentence with its cure: at the start and in /ready."""

from backend.errors import StoreError
from backend.prediction.model_versions import unused_lessons
from backend.service import Service


def degradations(service: Service) -> list[str]:
    store = service.store.describe()
    found = [store["degraded"]] if store["degraded"] else []
    found += store["advice"]
    if service.is_model_loaded:
        found += model_degradations(service.annotator.describe())
        found += lessons_not_used(service)
    if not service.settings.label_studio_api_key:
        found.append(
            "No LABEL_STUDIO_API_KEY: images uploaded to Label Studio can be read only where "
            "its legacy tokens are on. Make a personal access token there under Account & "
            "Settings, and set it."
        )
    return found


def model_degradations(about: dict[str, str]) -> list[str]:
    """`about`: Annotator.describe()."""
    found = []
    if about["model"].startswith("starter-"):
        found.append(
            "The starter checkpoint is small and meant for a first look. For real work set "
            "CLIP_MODEL=ViT-B-16-quickgelu CLIP_PRETRAINED=openai, or larger."
        )
    if about["device"] == "cpu":
        found.append(
            "No GPU is used: an image takes seconds, and large models many. With an NVIDIA GPU "
            "install PyTorch's CUDA build, and leave DEVICE at auto."
        )
    return found


def lessons_not_used(service: Service) -> list[str]:
    found = []
    for project in known_projects(service):
        settings = service.projects.settings_of(project)
        if sentence := unused_lessons(service.annotator, project, settings):
            found.append(f"Project {project}: {sentence}")
    return found


def known_projects(service: Service) -> list[str]:
    """Those that taught something; none while the store is away."""
    try:
        return service.lessons.projects()
    except StoreError:
        return []
