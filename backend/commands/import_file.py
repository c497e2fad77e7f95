"""A file of tasks with their predictions, to import into Label Studio."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from backend.commands.output_files import check_file, save_text
from backend.commands.photo_files import Photo
from backend.commands.photo_outputs import SegmentedPhoto
from backend.commands.streamed_json import StreamedJson
from backend.errors import SettingsError
from backend.label_studio.controls import VARIABLE, Control, read_controls
from backend.label_studio.label_colors import color_of
from backend.label_studio.task_data import TaskImage
from backend.masks.regions import encode_regions
from backend.prediction.prediction_items import prediction_item
from backend.prediction.task_targets import MaskTarget

Locate = Callable[[Photo], str]  # -> the address under which Label Studio's tasks name it


class ImportFile:
    """One task a photo, of a project with this control."""

    def __init__(
        self,
        path: Path,
        control: Control,
        version: Callable[[], str],
        locate: Locate,
        own_config: str | None,
    ) -> None:
        """`version`: asked for when the model is loaded. `own_config`: written beside the file."""
        check_file(path, "--import-file", example="tasks.json")
        self._control, self._version, self._locate = control, version, locate
        self._config_file = None if own_config is None else path.with_suffix(".xml")
        if own_config is not None and self._config_file:
            save_text(own_config, self._config_file)
        self._json = StreamedJson(path)

    def add(self, segmented: SegmentedPhoto) -> None:
        control, uri = self._control, self._locate(segmented.photo)
        # Region ids as of a task whose id is its image: Label Studio gives it one at the import.
        target = MaskTarget(uri, control, control.labels, TaskImage(0, uri))
        labels = {label.value: label for label in control.labels}
        regions = [
            region
            for layer in segmented.layers
            for region in encode_regions(
                control, labels[layer.name], layer.mask, layer.score,
                region_id=target.region_id(labels[layer.name].name),
            )
        ]  # fmt: skip
        data = {control.image_value.removeprefix("$"): uri}
        prediction = prediction_item(regions, self._version())
        self._json.add({"data": data, "predictions": [prediction]})

    def close(self) -> str:
        self._json.close()
        config = f", its labeling config: {self._config_file}" if self._config_file else ""
        return f"import file: {self._json.path}{config}"


def locator(photos: Sequence[Photo], prefix: str | None, local_root: Path | None) -> Locate:
    """By a prefix of addresses, or as Label Studio's local files. Raises SettingsError."""
    if prefix is not None:
        return lambda photo: prefix + quote(str(photo.relative))
    outside = [
        photo.path
        for photo in photos
        if local_root is None or not photo.path.resolve().is_relative_to(local_root.resolve())
    ]
    if local_root is None or outside:
        raise SettingsError(
            f"--import-file: where does Label Studio find {outside[0]}? Give --image-prefix, such "
            "as s3://bucket/photos/ or http://host/photos/, or set LOCAL_FILES_DOCUMENT_ROOT to "
            "its folder of local files, with the photos in it."
        )
    root = local_root.resolve()
    return lambda photo: (
        "/data/local-files/?d=" + quote(photo.path.resolve().relative_to(root).as_posix())
    )


def config_of_labels(names: Sequence[str]) -> str:
    """A labeling config with a brush for each label, in the colors of our pictures."""
    labels = "".join(
        f'    <Label value={quoteattr(name)} background="#{bytes(color_of(n)).hex()}"/>\n'
        for n, name in enumerate(names)
    )
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <BrushLabels name="tag" toName="image">\n{labels}  </BrushLabels>\n</View>\n'
    )


def only_control(label_config: str) -> Control:
    """The control of a config that `predict` can paint. Raises LabelConfigError or SettingsError.

    It has its own labels, and one image of the task's data.
    """
    controls = read_controls(label_config)
    control = controls[0]
    is_plain = (
        len(controls) == 1
        and not (control.dynamic_key or control.repeaters or control.is_value_list)
        and VARIABLE.fullmatch(control.image_value)
        and not set(control.image_value) & set(".[")
    )
    if not is_plain:
        raise SettingsError(
            "--label-config: predict paints one control, with labels of its own, on one image such "
            f"as $image. Found are {len(controls)}, the first on {control.image_value}: import the "
            "tasks and use prelabel, which paints all there is."
        )
    return control
