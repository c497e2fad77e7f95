"""A CUDA device that is not there: its tensors lie in the CPU's memory and say "cuda:0".

Operations on them run on the CPU, after a check of what CUDA would refuse: tensors of both devices
in one operation, and NumPy on the device's. PyTorch's fake tensors check that, too, but hold no
numbers, and most of the method asks for some on its way.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("cuda:0")
CPU = torch.device("cpu")
# Operations that move numbers from one device to another.
MOVING = {"aten::to", "aten::_to_copy", "aten::copy_"}
# Operations that take CPU indices of a tensor of another device.
INDEXING = {"aten::index", "aten::index_put", "aten::index_put_"}
# Operations that take CPU tensors of 0 dimensions, beside those that go from point to point.
TAKE_NUMBERS = {*INDEXING, "aten::fill_"}


class OnDevice(torch.Tensor):
    """A tensor of the device; `held` has its numbers."""

    held: torch.Tensor
    __torch_function__: ClassVar[Any] = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnDevice":
        shape = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(
            cls, held.size(), dtype=held.dtype, device=DEVICE, **shape
        )

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # PyTorch names no arguments of its own
        cls, op: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        raise RuntimeError(f"{op} on a tensor of the pretended device, which is not there now.")


class PretendedDevice(TorchDispatchMode):
    """While it is entered, tensors can be made on the device and moved there."""

    def __init__(self) -> None:
        super().__init__()
        self.run: Counter[str] = Counter()  # operations on the device, by name
        self.largest_bytes = 2**40  # that fit into its memory as one tensor

    def __torch_dispatch__(
        self, op: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        check_devices(op, args, kwargs)
        device = device_of_result(op, args, kwargs)
        holder = {id(one.held): one for one in leaves_on_device(args, kwargs)}

        def wrap(result: torch.Tensor) -> torch.Tensor:
            if id(result) in holder:  # changed in place
                return holder[id(result)]
            if result.nbytes > self.largest_bytes:
                raise torch.OutOfMemoryError(f"{result.nbytes} bytes")
            with torch.inference_mode(result.is_inference()):  # a view of weights is none
                return OnDevice(result)

        args, kwargs = tree_map_only(OnDevice, lambda one: one.held, (args, kwargs))
        args, kwargs = tree_map_only(torch.device, lambda _: CPU, (args, kwargs))
        found = op(*args, **kwargs)
        if device == CPU:
            return found
        self.run[op._schema.name] += 1
        return tree_map_only(torch.Tensor, wrap, found)


def leaves_on_device(*values: Any) -> list[OnDevice]:
    return [one for one in tree_leaves(values) if isinstance(one, OnDevice)]


def check_devices(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise RuntimeError where CUDA would: for tensors of both devices in one operation."""
    name = op._schema.name
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    if name in INDEXING:
        indexed, indices, *values = args
        tensors = [indexed, *values] + ([] if indexed.device == DEVICE else tree_leaves(indices))
        tensors = [one for one in tensors if isinstance(one, torch.Tensor)]
    takes_numbers = torch.Tag.pointwise in op.tags or name in TAKE_NUMBERS
    devices = {
        one.device for one in tensors if one.ndim or one.device == DEVICE or not takes_numbers
    }
    if len(devices) > 1 and name not in MOVING:
        shapes = [(str(one.device), *one.shape) for one in tensors]
        raise RuntimeError(f"{op} of tensors of two devices: {shapes}")


def device_of_result(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.device:
    """Where the result lies: where it was asked to, else where the tensors are."""
    named = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.device)]
    if named:
        return CPU if named[0].type == "cpu" else DEVICE
    if op is torch.ops.aten.to.other:
        return args[1].device
    if op._schema.name == "aten::copy_":
        return args[0].device
    return DEVICE if leaves_on_device(args, kwargs) else CPU


@contextmanager
def pretended_device(monkeypatch: Any) -> Iterator[PretendedDevice]:
    """The device, where there is none; autocast and `is_available` know of it, too."""
    monkeypatch.setattr("torch.cuda._lazy_init", lambda: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_, **__: True)
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    torch._C._ensureCUDADeviceGuardSet()  # as PyTorch's fake tensors do: a guard that does nothing
    lifted_before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(…, device=…) by the dispatcher
    replaces_before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # not their storage
    try:
        with PretendedDevice() as device:
            yield device
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(replaces_before)
        torch._C._set_only_lift_cpu_tensors(lifted_before)
