"""What of the model works less well than it could: said at the start and in /ready."""


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
