"""The photos that ship, each with labels to try: free for any use, their authors in NOTICE."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SamplePhoto:
    name: str
    alt: str  # what is in it, for those who do not see it
    labels: tuple[str, ...]
    author: str

    @property
    def path(self) -> Path:
        return Path(__file__).with_name(f"{self.name}.jpg")


SAMPLE_PHOTOS = (
    SamplePhoto("coffee", "a cup of espresso on a saucer, on a wooden table",
                ("espresso", "cup", "saucer", "wood"), "Rachel Michetti"),
    SamplePhoto("cat", "the face of a tabby cat", ("cat", "blanket"), "Stefan van der Walt"),
    SamplePhoto("rocket", "a rocket on its launch pad, between towers at dusk",
                ("sky", "tower", "rocket"), "SpaceX"),
    SamplePhoto("camera", "a man with a camera on a tripod, on a lawn before a city",
                ("person", "camera", "lawn"), "Lav Varshney"),
)  # fmt: skip
