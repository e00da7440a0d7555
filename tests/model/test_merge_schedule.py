"""The arithmetic of a schedule against fractions on paper; what is refused is tested where users meet it, in the config."""

from fractions import Fraction

import pytest

from fastast_hf.model.merge_schedule import check_merging, plan_merges

LAYERS = 3


def naive_plan(num_patches, ratios=None, counts=None):
    """Follow the tokens layer by layer, in exact fractions."""
    merged, left = [], []
    for layer in range(len(ratios or counts)):
        wanted = counts[layer] if counts else int(Fraction(ratios[layer]) * num_patches)
        while wanted > num_patches - wanted:  # more would leave some without a partner
            wanted -= 1
        num_patches -= wanted
        merged.append(wanted)
        left.append(num_patches + 2)
    return tuple(merged), tuple(left)


@pytest.mark.parametrize("ratio", ["0", "0.1", "0.29", "0.3", "1/3", "0.5"])
def test_ratios_follow_exact_fractions(ratio):
    for num_patches in range(1213):
        plan = plan_merges(num_patches, LAYERS, merge_ratio=float(Fraction(ratio)), tokens_merged_per_layer=None)
        assert plan == naive_plan(num_patches, [ratio] * LAYERS), num_patches


@pytest.mark.parametrize("counts", [[0, 0, 0], [5, 3, 1], [40, 40, 40], [0, 1000, 0]])
def test_counts_have_a_ceiling(counts):
    for num_patches in range(150):
        plan = plan_merges(num_patches, LAYERS, merge_ratio=0.0, tokens_merged_per_layer=counts)
        assert plan == naive_plan(num_patches, counts=counts)


def test_a_list_of_ratios_goes_layer_by_layer():
    plan = plan_merges(100, LAYERS, merge_ratio=[0.5, 0.0, 0.29], tokens_merged_per_layer=None)
    assert plan == naive_plan(100, ["0.5", "0", "0.29"])


def test_one_count_is_a_ceiling_and_a_list_is_not():
    check_merging(10, LAYERS, max_length=64, merge_ratio=0.0, tokens_merged_per_layer=1000)
    check_merging(10, LAYERS, max_length=64, merge_ratio=0.0, tokens_merged_per_layer=[5, 2, 1])
    with pytest.raises(ValueError, match=r"got 3 at layer 1, which 5 patch tokens enter at `max_length` = 64"):
        check_merging(10, LAYERS, max_length=64, merge_ratio=0.0, tokens_merged_per_layer=[5, 3, 1])
