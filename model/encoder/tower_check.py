"""Which image towers Firstpass can read at each patch."""

from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import nn

from model.errors import CheckpointError

SUPPORTED_TOWERS = (
    "Firstpass needs a CLIP whose image tower is open_clip's own VisionTransformer with a class "
    "token, for example ViT-B-16 or ViT-L-14 (LAION, DataComp), ViT-B-16-quickgelu or "
    "ViT-L-14-quickgelu (OpenAI, MetaCLIP, DFN), ViT-H-14, or 'starter'."
)


def check_tower(visual: nn.Module, model_name: str) -> None:
    """Raise CheckpointError unless the image tower is a ViT whose last block we can reshape."""
    if not isinstance(visual, VisionTransformer):
        reason = f"its image tower is a {type(visual).__name__}"
    elif visual.attn_pool is not None:
        reason = "its image tower pools patches by learned queries (CoCa)"
    elif visual.pool_type != "tok" or visual.final_ln_after_pool:
        reason = f"its image tower pools by '{visual.pool_type}', not by a class token"
    elif any(type(block) is not ResidualAttentionBlock for block in visual.transformer.resblocks):
        reason = "its blocks are customized (query-key norm, head scales, …)"
    elif visual.patch_size[0] != visual.patch_size[1]:
        reason = f"its patches are not square: {visual.patch_size}"
    else:
        return
    raise CheckpointError(f"'{model_name}' cannot be used: {reason}. {SUPPORTED_TOWERS}")
