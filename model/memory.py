"""Memory: all that a project's lessons say, blended into what the words say.

The words' probs are the prior, the keys around a patch the evidence: the more keys lie near it, and
the surer they are, the less the words count. No gradient, and nothing but lessons goes in.
Shapes: N keys, E channels of the joint space, C = K + 1 classes with "none of them" last, h, w
patches.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from model.lessons import NONE_OF_THEM, Lesson


@dataclass(frozen=True)
class MemoryConfig:
    max_keys: int = 4096
    sharpness: float = 20.0  # of a key's reach, in cosine
    evidence_weight: float = 4.0  # of one key on the spot beside the words


@dataclass(frozen=True, eq=False)
class Memory:
    config: MemoryConfig = MemoryConfig()
    space: str = ""
    labels: tuple[str, ...] = ()
    keys: Tensor = field(default_factory=lambda: torch.zeros(0, 0))  # (N, E) unit
    owners: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))  # (N,)
    weights: Tensor = field(default_factory=lambda: torch.zeros(0))  # (N,)
    counts: Mapping[str, int] = field(default_factory=dict)  # label -> lessons that taught it
    version: str = ""  # of what is in it, "" when empty

    @staticmethod
    def of(lessons: Iterable[Lesson], config: MemoryConfig = MemoryConfig()) -> "Memory":  # noqa: B008
        """What these lessons say, in whatever order; those of the commonest space count."""
        known = sorted(lessons, key=lambda lesson: lesson.digest)
        if not known:
            return Memory(config)
        spaces = Counter(lesson.space for lesson in known)
        space = min(spaces, key=lambda name: (-spaces[name], name))
        known = [lesson for lesson in known if lesson.space == space]
        labels = tuple(sorted({label for lesson in known for label in lesson.labels}))
        place = {label: index for index, label in enumerate(labels)}
        owners = [
            place[lesson.labels[owner]] if owner != NONE_OF_THEM else NONE_OF_THEM
            for lesson in known
            for owner in lesson.owners.tolist()
        ]
        keys = torch.cat([lesson.keys for lesson in known]).float()
        weights = torch.cat([lesson.masses for lesson in known]).clamp_min(1e-9)
        kept = torch.arange(len(keys))
        if len(keys) > config.max_keys:
            kept = weights.topk(config.max_keys).indices.sort().values
        content = "".join(lesson.digest for lesson in known)
        return Memory(
            config,
            space,
            labels,
            F.normalize(keys[kept], dim=1),
            torch.tensor(owners, dtype=torch.long)[kept],
            weights[kept],
            Counter(label for lesson in known for label in lesson.labels),
            hashlib.blake2b(content.encode(), digest_size=4).hexdigest(),
        )

    def blend(self, probs: Tensor, patch_tokens: Tensor, owners_of: Mapping[str, int]) -> Tensor:
        """Probs (C, h, w) of the words, blended with the evidence at the patches (E, h, w).

        `owners_of` says which class a label of the memory is; "" is "none of them".
        """
        none = owners_of[""]
        to_class = torch.tensor([*(owners_of.get(label, -1) for label in self.labels), none])
        owner = to_class[self.owners]  # (N,); -1: a label that the vocabulary no longer has
        known = owner >= 0
        points = F.normalize(patch_tokens.flatten(1), dim=0)
        near = ((self.keys[known] @ points - 1) * self.config.sharpness).exp()  # (N, h * w)
        evidence = probs.new_zeros(len(probs), points.shape[1])
        evidence.index_add_(0, owner[known], near * self.config.evidence_weight)
        blended = probs.flatten(1) + evidence
        return (blended / blended.sum(dim=0)).view_as(probs)
