"""RF-CLIP's names in the light of the image."""

import torch
import torch.nn.functional as F
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from model.scoring.image_names import ImageNameConfig, clusters, names_in_image


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_clusters_are_those_of_complete_linkage_on_cosine_distance():
    embeds = unit(12, 3)
    expected = fcluster(linkage(pdist(embeds.numpy(), "cosine"), "complete"), 0.4, "distance")
    found = sorted(tuple(rows.tolist()) for rows in clusters(embeds, 0.4))
    groups = {tuple((expected == number).nonzero()[0].tolist()) for number in set(expected)}
    assert found == sorted(groups)
    assert len(found) < 12


def test_one_name_of_a_cluster_is_mixed_with_the_mean_of_its_two_best_patches():
    dog, puppy, sky = unit(3, 8)
    puppy = F.normalize(dog + 0.05 * puppy, dim=0)
    patches = unit(6, 8, seed=1)
    image_logits = torch.tensor([0.1, 0.3, 0.0])  # the image rather shows a puppy
    names = torch.stack([dog, puppy, sky])
    adjusted = names_in_image(names, patches, image_logits, ImageNameConfig(share=0.2))
    best = patches[(patches @ puppy).topk(2).indices]
    seen = F.normalize(best.mean(dim=0), dim=0)
    torch.testing.assert_close(adjusted[1], F.normalize(0.8 * puppy + 0.2 * seen, dim=0))
    assert torch.equal(adjusted[0], dog)
    assert not torch.equal(adjusted[2], sky)  # alone in its cluster


def test_a_single_name_and_a_single_patch_are_enough():
    adjusted = names_in_image(unit(1, 4), unit(1, 4, seed=1), torch.zeros(1), ImageNameConfig(0.5))
    assert adjusted.shape == (1, 4)
