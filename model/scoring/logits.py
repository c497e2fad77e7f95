"""How a method reads features: logits of each row of text, from patches, the whole and the pixels.

Shapes: R rows of text, C classes with "none of them" last, E joint channels, h, w patches, H, W
pixels, N keys of a memory.
"""

import torch
from torch import Tensor

from model.encoder.image_encoder import DenseFeatures
from model.memory.memory import Memory
from model.methods import MethodConfig
from model.scoring.class_probs import automatic_scale, class_probs, class_surgery
from model.scoring.localization import doubt_the_absent, keep_cores, less_of_the_whole
from model.scoring.propagation import propagate
from model.text.vocabulary import TextSide


def class_logits(
    features: DenseFeatures,
    text: TextSide,
    is_guess: Tensor,
    pixels: Tensor,
    method: MethodConfig,
) -> Tensor:
    """Scaled logits (R, h, w) of the rows of text, by the method's reading of the features.

    is_guess (R,) bool: labels known by words alone, whose extent the method guesses.
    """
    logits = torch.einsum("re,ehw->rhw", text.embeds, features.patch_tokens)
    image_logits = text.embeds @ features.cls_token  # (R,)
    logits = logits + method.class_logit_share * image_logits.view(-1, 1, 1)
    if method.class_surgery:
        logits = class_surgery(logits, image_logits)
    if method.propagation_cells:
        logits = propagate(logits, pixels, text.embeds, method.propagation_cells)
    scale = automatic_scale(logits) if method.logit_scale is None else method.logit_scale
    logits = less_of_the_whole(logits, method.whole_share) * scale
    if method.core_above:
        logits = keep_cores(logits, is_guess, method.core_above)
    if method.presence_share:
        presence = method.presence_share * scale * image_logits
        logits = doubt_the_absent(logits, presence, text.is_label)
    return logits


def key_words(
    memory: Memory, text: TextSide, n_classes: int, method: MethodConfig
) -> Tensor | None:
    """The words' probs (C, N) at the memory's keys: without what only an image can tell."""
    if not len(text.embeds) or method.class_surgery:
        return None
    logits = text.embeds @ memory.keys.T  # (R, N)
    scale = automatic_scale(logits) if method.logit_scale is None else method.logit_scale
    return class_probs(logits[..., None] * scale, text.owners, n_classes)[..., 0]
