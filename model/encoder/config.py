"""EncoderConfig: how a method turns windows into dense features."""

from dataclasses import dataclass

from model.encoder.coherence import CoherenceConfig
from model.encoder.global_context import ContextConfig
from model.encoder.last_block import LastBlockConfig
from model.encoder.published.resclip import FeedbackConfig
from model.encoder.tower import TowerConfig


@dataclass(frozen=True)
class EncoderConfig:
    """Block numbers count from 1 and are those published for 12 blocks; shares are 0 to 1.

    The value of a default is part of what stored lessons mean (model/feature_space.py): a method
    that needs another value states it.
    """

    path: str = "last_block"  # the way through the tower, a name in PATHS
    block_numbers: str = "scaled"  # for towers of another depth, a name in BLOCK_NUMBERS
    tower: TowerConfig = TowerConfig()
    last_block: LastBlockConfig = LastBlockConfig()
    context: ContextConfig = ContextConfig()
    coherence: CoherenceConfig = CoherenceConfig()
    feedback: FeedbackConfig = FeedbackConfig()  # of the path "resclip"
    massive_channels: tuple[int, ...] = ()  # of the path "rf-clip", by fit_to_tower

    @property
    def reads_text(self) -> bool:
        """Whether the features depend on the vocabulary."""
        return self.path == "resclip"
