"""Labeling configs for tests, as people write them."""

from collections.abc import Iterable

from backend.label_studio.controls import Control, LabelSpec, read_controls

IMAGE = '<Image name="image" value="$image"/>'


def labels(*values: str) -> str:
    return "".join(f'<Label value="{value}"/>' for value in values)


CAT_DOG = labels("Cat", "Dog")


def config(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


def brush_labels(
    children: str = CAT_DOG, attributes: str = "", *, name: str = "tag", to_name: str = "image"
) -> str:
    """A <BrushLabels> with these elements inside, usually of <Label>."""
    return f'<BrushLabels name="{name}" toName="{to_name}" {attributes}>{children}</BrushLabels>'


CAT_DOG_CONFIG = config(IMAGE, brush_labels())
CAT_ALIAS_DOG_CONFIG = config(
    IMAGE, brush_labels('<Label value="Cat" alias="c"/><Label value="Dog"/>')
)


def only_control(*tags: str) -> Control:
    """The control of a config with one image and these tags."""
    (control,) = read_controls(config(IMAGE, *tags))
    return control


def label_names(specs: Iterable[LabelSpec]) -> list[str]:
    return [spec.name for spec in specs]
