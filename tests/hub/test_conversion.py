"""A vision transformer's weights become an AST's: held to plain loops and to the released checkpoint."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ASTConfig, ASTModel, DeiTConfig, DeiTForImageClassificationWithTeacher, ViTConfig, ViTModel

from fastast_hf.hub.conversion import ast_from_vision_transformer, vision_transformer_to_ast
from tests.conftest import SHARED, requires_shared

DEIT_TINY = SHARED / "models" / "deit_tiny_patch16_224"
SIZES = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 64,
    "image_size": 64,
}
requires_deit = pytest.mark.skipif(
    not DEIT_TINY.is_dir(), reason=f"needs the DeiT-tiny checkpoint in {DEIT_TINY.name}"
)


@pytest.fixture
def vit_folder(tmp_path):
    torch.manual_seed(0)
    vit = ViTModel(ViTConfig(**SIZES))
    torch.nn.init.normal_(vit.embeddings.position_embeddings)
    torch.nn.init.normal_(vit.embeddings.cls_token)
    vit.save_pretrained(tmp_path)
    return tmp_path, vit.state_dict()


def test_vit_weights_arrive(vit_folder):
    folder, vit = vit_folder
    model = ast_from_vision_transformer(folder, max_length=64, num_mel_bins=64, time_stride=16, frequency_stride=16)
    state = model.audio_spectrogram_transformer.state_dict()
    copied = [name for name in state if name.startswith(("layers.", "layernorm."))]
    assert len(copied) == 2 * 16 + 2
    assert all(torch.equal(state[name], vit[name]) for name in copied)
    kernel = vit["embeddings.patch_embeddings.projection.weight"]
    torch.testing.assert_close(
        state["embeddings.patch_embeddings.projection.weight"][:, 0], kernel[:, 0] + kernel[:, 1] + kernel[:, 2]
    )
    assert torch.equal(state["embeddings.distillation_token"], vit["embeddings.cls_token"])
    # a 4 x 4 grid stays, and CLS's row serves the distillation token as well
    assert torch.equal(state["embeddings.position_embeddings"][0, 2:], vit["embeddings.position_embeddings"][0, 1:])
    assert torch.equal(state["embeddings.position_embeddings"][0, 0], vit["embeddings.position_embeddings"][0, 0])
    assert torch.equal(state["embeddings.position_embeddings"][0, 1], vit["embeddings.position_embeddings"][0, 0])


def test_distilled_deit_keeps_its_own_distillation_token(tmp_path):
    deit = DeiTForImageClassificationWithTeacher(DeiTConfig(**SIZES))
    torch.nn.init.normal_(deit.deit.embeddings.distillation_token)
    torch.nn.init.normal_(deit.deit.embeddings.position_embeddings)
    deit.save_pretrained(tmp_path)
    state = ast_from_vision_transformer(tmp_path, max_length=64).audio_spectrogram_transformer.state_dict()
    assert torch.equal(state["embeddings.distillation_token"], deit.deit.embeddings.distillation_token)
    table = deit.deit.embeddings.position_embeddings
    assert torch.equal(state["embeddings.position_embeddings"][0, :2], table[0, :2])


def test_the_model_fits_what_stock_ast_expects(vit_folder):
    _, vit = vit_folder
    state = vision_transformer_to_ast(
        {name: tensor for name, tensor in vit.items() if not name.startswith("pooler.")}, patch_grid=(12, 5)
    )
    ast = ASTModel(ASTConfig(**{k: v for k, v in SIZES.items() if k != "image_size"}, max_length=64))
    ast.load_state_dict(state)


@requires_shared
def test_timm_names_give_the_same_weights():
    weights = load_file(DEIT_TINY / "model.safetensors")
    model = ast_from_vision_transformer(DEIT_TINY, max_length=512, frequency_stride=16, time_stride=16, num_labels=10)
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (192, 12, 3)
    assert config.patch_grid == (8, 32)
    state = model.audio_spectrogram_transformer.state_dict()
    qkv = weights["blocks.7.attn.qkv.weight"]
    for index, projection in enumerate("qkv"):
        got = state[f"layers.7.attention.{projection}_proj.weight"]
        assert torch.equal(got, qkv[192 * index : 192 * (index + 1)])
    assert torch.equal(state["layers.3.mlp.fc2.bias"], weights["blocks.3.mlp.fc2.bias"])
    # 8 of 14 rows are cut from the middle; the middle column of the 32 lies between the 14 of the checkpoint
    grid = weights["pos_embed"][0, 1:].unflatten(0, (14, 14))
    fitted = state["embeddings.position_embeddings"][0, 2:].unflatten(0, (8, 32))
    position = (10 + 0.5) * 14 / 32 - 0.5  # bilinear interpolation without aligned corners
    below, share = int(position), position - int(position)
    expected = grid[3, below] * (1 - share) + grid[3, below + 1] * share
    torch.testing.assert_close(fitted[0, 10], expected, atol=1e-5, rtol=1e-5)


def test_fields_that_contradict_the_checkpoint_are_refused(vit_folder):
    with pytest.raises(ValueError, match=r"`hidden_size` must be the checkpoint's 48, got 192. Leave it out"):
        ast_from_vision_transformer(vit_folder[0], hidden_size=192)


def test_an_ast_is_refused_with_the_way_out(tmp_path):
    ASTConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="An AST needs no conversion"):
        ast_from_vision_transformer(tmp_path)


def test_other_tensors_are_refused(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="neither transformers' layout"):
        ast_from_vision_transformer(tmp_path)


def timm_vit(hidden_size=48, rows=4, **extra):
    """A one-layer ViT under timm's names."""
    torch.manual_seed(0)
    shapes = {
        **{"cls_token": (1, 1, hidden_size), "pos_embed": (1, 1 + rows, hidden_size)},
        **{"patch_embed.proj.weight": (hidden_size, 3, 16, 16), "patch_embed.proj.bias": (hidden_size,)},
        **{"blocks.0.attn.qkv.weight": (3 * hidden_size, hidden_size), "blocks.0.attn.qkv.bias": (3 * hidden_size,)},
        **{"blocks.0.attn.proj.weight": (hidden_size, hidden_size), "blocks.0.attn.proj.bias": (hidden_size,)},
        **{"blocks.0.mlp.fc1.weight": (64, hidden_size), "blocks.0.mlp.fc1.bias": (64,)},
        **{"blocks.0.mlp.fc2.weight": (hidden_size, 64), "blocks.0.mlp.fc2.bias": (hidden_size,)},
        **{
            f"{norm}.{kind}": (hidden_size,)
            for norm in ("norm", "blocks.0.norm1", "blocks.0.norm2")
            for kind in ("weight", "bias")
        },
        **{"head.weight": (10, hidden_size), "fc_norm.weight": (hidden_size,)},
    }
    return {name: torch.randn(shape) for name, shape in (shapes | extra).items()}


def test_unusual_sizes_need_the_number_of_heads(tmp_path):
    save_file(timm_vit(), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="`num_attention_heads` must be given for hidden size 48, got none"):
        ast_from_vision_transformer(tmp_path, max_length=64)
    model = ast_from_vision_transformer(tmp_path, max_length=64, num_attention_heads=4)
    assert model.config.num_attention_heads == 4


def test_tensors_without_a_place_are_refused(tmp_path):
    save_file(timm_vit(**{"blocks.0.ls1.gamma": (48,)}), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"must hold a plain ViT or DeiT, got one with blocks\.0\.ls1\.gamma"):
        ast_from_vision_transformer(tmp_path, max_length=64, num_attention_heads=3)


def test_images_that_are_not_square_are_refused(tmp_path):
    save_file(timm_vit(rows=6), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="must be those of a square image, got 6 patches"):
        ast_from_vision_transformer(tmp_path, max_length=64, num_attention_heads=3)
