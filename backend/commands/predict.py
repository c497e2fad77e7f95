"""`python -m backend predict`: segments photos from the disk, without Label Studio."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.commands.import_file import ImportFile, config_of_labels, locator, only_control
from backend.commands.output_files import file_stems, read_text
from backend.commands.photo_files import Photo, find_photos
from backend.commands.photo_outputs import (
    CocoFile,
    MaskFolder,
    OverlayFile,
    OverlayFolder,
    PhotoOutput,
    SegmentedPhoto,
    YoloFolder,
)
from backend.commands.photo_segmenter import PhotoSegmenter
from backend.commands.progress import progress_bar
from backend.errors import ImageError, SettingsError
from backend.label_studio.config_digest import config_digest
from backend.label_studio.controls import Control
from backend.label_studio.project_settings import ProjectSettings
from backend.prelabeling.outcome import describe_s
from backend.service import Service
from model import ModelError

EXIT_CODES = {"done": 0, "failed": 3, "interrupted": 130}
MAX_NAMED = 20  # photos that failed, in the summary


@dataclass(frozen=True)
class PredictOptions:
    """One of `labels` and `label_config` is given."""

    photos: Sequence[str]
    labels: str | None = None
    label_config: Path | None = None
    out: Path | None = None
    masks: Path | None = None
    coco: Path | None = None
    yolo: Path | None = None
    import_file: Path | None = None
    image_prefix: str | None = None
    min_score: float | None = None  # None: that of projects that set none

    @property
    def settings(self) -> ProjectSettings:
        """Raises SettingsError."""
        params = {} if self.min_score is None else {"min_score": self.min_score}
        return ProjectSettings.from_extra_params(params)[0]


def predict(service: Service, options: PredictOptions) -> tuple[str, int]:
    """The text to print and the exit code. Raises FirstpassError if nothing could be done."""
    photos = find_photos(options.photos)
    is_file = [Path(named) for named in options.photos] == [photos[0].path]
    label_config = read_config(options)
    control = only_control(label_config)
    try:
        outputs = open_outputs(service, options, photos, label_config, is_file=is_file)
        segment = PhotoSegmenter(service, control, options.settings)
        if is_file:
            return predict_file(segment, photos[0], control, outputs), EXIT_CODES["done"]
        return predict_all(segment, photos, outputs)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    finally:
        service.store.close()


def read_config(options: PredictOptions) -> str:
    if options.label_config:
        return read_text(options.label_config, "--label-config")
    names = [name.strip() for name in (options.labels or "").split(",") if name.strip()]
    if not names:
        raise SettingsError('--labels needs at least one name, such as --labels "cat, grass, sky".')
    return config_of_labels(names)


def open_outputs(
    service: Service,
    options: PredictOptions,
    photos: Sequence[Photo],
    label_config: str,
    *,
    is_file: bool,
) -> list[PhotoOutput]:
    """What shall be written, checked before the model is loaded. Raises SettingsError."""
    control = only_control(label_config)
    names = [label.value for label in control.labels]
    found: list[PhotoOutput] = []
    if options.out:
        found.append(OverlayFile(options.out) if is_file else OverlayFolder(options.out))
    if options.masks:
        found.append(MaskFolder(options.masks, file_stems(names), has_folders=not is_file))
    if options.coco:
        found.append(CocoFile(options.coco, names))
    if options.yolo:
        found.append(YoloFolder(options.yolo, names))
    if options.import_file:
        locate = locator(photos, options.image_prefix, service.settings.local_files_root)

        def version() -> str:
            context = service.resolve_context("", options.settings)
            return context.model_version("", config_digest(label_config))

        own = None if options.label_config else label_config
        found.append(ImportFile(options.import_file, control, version, locate, own))
    return found


def predict_file(
    segment: PhotoSegmenter, photo: Photo, control: Control, outputs: Sequence[PhotoOutput]
) -> str:
    """A line for each label. Raises ImageError."""
    segmented = segment(photo)
    height_px, width_px = segmented.image.shape[:2]
    lines = [f"{photo.path}: {width_px} x {height_px} pixels"]
    lines += [
        f"  {layer.name:<24} score {layer.score:.2f}  {layer.mask.mean():6.1%} of the image"
        for layer in sorted(segmented.layers, key=lambda layer: -layer.score)
    ]
    found = {layer.name for layer in segmented.layers}
    if missing := [label.value for label in control.labels if label.value not in found]:
        lines.append(f"  not found: {', '.join(missing)}")
    for output in outputs:
        output.add(segmented)
    return "\n".join([*lines, *(output.close() for output in outputs)])


def predict_all(
    segment: PhotoSegmenter, photos: Sequence[Photo], outputs: Sequence[PhotoOutput]
) -> tuple[str, int]:
    """A summary and the exit code. After Ctrl-C the files hold what was done."""
    began_s, n_photos_with = time.monotonic(), Counter[str]()
    failures: list[str] = []
    n_done, end = 0, "done"
    try:
        with progress_bar("photos") as bar:
            bar.expect(len(photos))
            for _, future in segment.each(photos):
                try:
                    add(future.result(), outputs, n_photos_with)
                    n_done += 1
                except (ImageError, ModelError) as error:
                    failures.append(str(error))
                bar.advance(1, len(failures))
        end = "failed" if failures else "done"
    except KeyboardInterrupt:
        end = "interrupted"
    took_s = time.monotonic() - began_s
    lines = [
        f"{n_done} of {len(photos)} photos in {describe_s(took_s)}, {n_done / took_s:.2f} a second"
    ]
    lines += [f"  {name:<24} in {count} photos" for name, count in n_photos_with.most_common()]
    lines += [f"failed: {reason}" for reason in failures[:MAX_NAMED]]
    if len(failures) > MAX_NAMED:
        lines.append(f"and {len(failures) - MAX_NAMED} more failed")
    return "\n".join([*lines, *(output.close() for output in outputs)]), EXIT_CODES[end]


def add(
    segmented: SegmentedPhoto, outputs: Sequence[PhotoOutput], n_photos_with: Counter[str]
) -> None:
    for output in outputs:
        output.add(segmented)
    n_photos_with.update(layer.name for layer in segmented.layers)
