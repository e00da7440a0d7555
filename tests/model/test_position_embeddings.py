"""Fitting position embeddings against plain loops, and while a checkpoint loads."""

import math

import pytest
import torch
from transformers import ASTForAudioClassification, ASTModel

from fastast_hf import FastASTForAudioClassification, FastASTModel
from fastast_hf.model.position_embeddings import fit_position_embeddings, fit_position_grid
from tests.conftest import tiny_ast, tiny_config, tiny_input

SPECIAL = 2
FREQUENCY, TIME = 3, 9  # the grid of the tiny model
STOCK = {FastASTModel: ASTModel, FastASTForAudioClassification: ASTForAudioClassification}


def naive_axis(rows, length):
    """Cut the middle out of a list of rows, or interpolate it linearly with half-pixel centres."""
    if length <= len(rows):
        start = len(rows) // 2 - length // 2
        return rows[start : start + length]
    fitted = []
    for index in range(length):
        centre = max((index + 0.5) * len(rows) / length - 0.5, 0.0)
        low = math.floor(centre)
        high = min(low + 1, len(rows) - 1)
        fitted.append(rows[low] * (1 - (centre - low)) + rows[high] * (centre - low))
    return fitted


def naive_grid(grid, shape):
    frequency, time = shape
    columns = naive_axis(list(grid.double()), frequency)
    return torch.stack([torch.stack(naive_axis(list(row), time)) for row in columns])


def naive_table(table, frequency, shape):
    grid = table[0, SPECIAL:].reshape(frequency, -1, table.shape[-1])
    fitted = naive_grid(grid, shape)
    rows = [*table[0, :SPECIAL].double(), *(fitted[f, t] for f in range(shape[0]) for t in range(shape[1]))]
    return torch.stack(rows).unsqueeze(0)


@pytest.mark.parametrize("frequency", range(1, 6))
@pytest.mark.parametrize("time", range(1, 8))
def test_a_grid_equals_the_naive_twin(frequency, time):
    for from_frequency, from_time in ((1, 1), (2, 4), (3, 5), (4, 2)):
        grid = torch.randn(from_frequency, from_time, 3, generator=torch.Generator().manual_seed(0))
        fitted = fit_position_grid(grid, (frequency, time))
        torch.testing.assert_close(fitted.double(), naive_grid(grid, (frequency, time)), rtol=1e-5, atol=1e-6)


def test_the_cut_is_the_middle_that_the_ast_authors_take():
    # Their AudioSet table has 101 time patches: 50 - t // 2 is where a cut of t begins.
    grid = torch.arange(101.0).expand(12, -1).unsqueeze(-1)
    for time in (1, 12, 50, 51, 100):
        cut = fit_position_grid(grid, (12, time))[0, :, 0].tolist()
        assert cut == list(range(50 - time // 2, 50 - time // 2 + time))


def test_a_grid_that_fits_stays_as_it_is_to_the_last_bit():
    grid = torch.randn(3, 5, 4)
    assert torch.equal(fit_position_grid(grid, (3, 5)), grid)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_dtype_stays(dtype):
    grid = torch.randn(3, 5, 4).to(dtype)
    for time in (3, 8):
        fitted = fit_position_grid(grid, (3, time))
        assert fitted.dtype == dtype
        torch.testing.assert_close(fitted, fit_position_grid(grid.float(), (3, time)).to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(3, 4), (3, 9), (3, 14), (2, 9), (4, 12)])
def test_a_table_equals_the_naive_twin_and_keeps_the_special_tokens(shape):
    table = torch.randn(1, SPECIAL + FREQUENCY * TIME, 4, generator=torch.Generator().manual_seed(0))
    fitted = fit_position_embeddings(table, shape, source_frequency_patches=FREQUENCY)
    assert torch.equal(fitted[:, :SPECIAL], table[:, :SPECIAL])
    torch.testing.assert_close(fitted.double(), naive_table(table, FREQUENCY, shape), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, SPECIAL, SPECIAL + 10])
def test_a_table_without_whole_rows_is_refused(rows):
    message = f"`position_embeddings` must hold a whole number of rows of 3 frequency patches, got {rows - SPECIAL}"
    with pytest.raises(ValueError, match=message):
        fit_position_embeddings(torch.zeros(1, rows, 4), (3, 9))


# While a checkpoint loads


@pytest.mark.parametrize("model_class", [FastASTModel, FastASTForAudioClassification])
@pytest.mark.parametrize("max_length", [16, 56, 96, 99, 176])
def test_max_length_at_load_fits_the_table(max_length, model_class, tmp_path, transformers_log):
    tiny_ast(STOCK[model_class]).save_pretrained(tmp_path)
    table = model_class.from_pretrained(tmp_path).base_model.embeddings.position_embeddings
    model, info = model_class.from_pretrained(tmp_path, max_length=max_length, output_loading_info=True)
    assert not any(info.values()), info
    assert model.config.max_length == max_length
    shape = model.config.patch_grid
    fitted = model.base_model.embeddings.position_embeddings
    torch.testing.assert_close(fitted.double(), naive_table(table, FREQUENCY, shape), rtol=1e-5, atol=1e-6)
    assert model(tiny_input(num_frames=max_length))[0].isfinite().all()
    assert transformers_log.records == []


def test_a_fitted_model_saves_and_opens_at_its_own_length(tmp_path):
    tiny_ast().save_pretrained(tmp_path / "ast")
    model = FastASTForAudioClassification.from_pretrained(tmp_path / "ast", max_length=56)
    model.save_pretrained(tmp_path / "fitted")
    again, info = FastASTForAudioClassification.from_pretrained(tmp_path / "fitted", output_loading_info=True)
    assert not any(info.values()), info
    assert again.config.max_length == 56
    x = tiny_input(num_frames=56)
    assert torch.equal(again.eval()(x).logits, model.eval()(x).logits)


def test_the_table_fits_in_the_dtype_asked_for(tmp_path):
    tiny_ast().save_pretrained(tmp_path)
    full = FastASTForAudioClassification.from_pretrained(tmp_path, max_length=176)
    half = FastASTForAudioClassification.from_pretrained(tmp_path, max_length=176, dtype=torch.bfloat16)
    table = half.base_model.embeddings.position_embeddings
    assert table.dtype == torch.bfloat16
    torch.testing.assert_close(table.float(), full.base_model.embeddings.position_embeddings, rtol=0.02, atol=0.01)


@pytest.mark.parametrize(
    "fields",
    [{"num_mel_bins": 96}, {"time_stride": 5}, {"frequency_stride": 5, "max_length": 50}, {"num_mel_bins": 16}],
    ids=str,
)
def test_the_grid_of_the_file_is_the_one_that_is_fitted(fields, tmp_path):
    # 27 patches are 3 x 9, and 9 frequency patches divide them too: that must not pass for 9 x 3.
    tiny_ast().save_pretrained(tmp_path)
    table = FastASTForAudioClassification.from_pretrained(tmp_path).base_model.embeddings.position_embeddings
    model = FastASTForAudioClassification.from_pretrained(tmp_path, **fields)
    fitted = model.base_model.embeddings.position_embeddings
    expected = naive_table(table, FREQUENCY, model.config.patch_grid)
    torch.testing.assert_close(fitted.double(), expected, rtol=1e-5, atol=1e-6)
    model.save_pretrained(tmp_path / "fitted")
    again = FastASTForAudioClassification.from_pretrained(tmp_path / "fitted")
    assert torch.equal(again.base_model.embeddings.position_embeddings, fitted)
    assert "checkpoint_patch_grid" not in (tmp_path / "fitted" / "config.json").read_text()


def test_a_configuration_given_fits_the_checkpoint_too(tmp_path):
    tiny_ast().save_pretrained(tmp_path)
    by_keyword = FastASTForAudioClassification.from_pretrained(tmp_path, max_length=176)
    by_config = FastASTForAudioClassification.from_pretrained(tmp_path, config=tiny_config(max_length=176))
    expected = by_keyword.base_model.embeddings.position_embeddings
    assert torch.equal(by_config.base_model.embeddings.position_embeddings, expected)


def test_what_was_fitted_once_is_not_fitted_again(tmp_path):
    tiny_ast().save_pretrained(tmp_path / "ast")
    model = FastASTForAudioClassification.from_pretrained(tmp_path / "ast", num_mel_bins=96)
    model.save_pretrained(tmp_path / "fitted")
    again = FastASTForAudioClassification.from_pretrained(tmp_path / "fitted", config=model.config)
    expected = model.base_model.embeddings.position_embeddings
    assert torch.equal(again.base_model.embeddings.position_embeddings, expected)
