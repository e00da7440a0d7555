import json
import re
import subprocess
import sys
from importlib import metadata

import pytest

from fastast_hf import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification, __version__
from fastast_hf.model.version import check_saved_version
from tests.conftest import tiny_config, tiny_model
from tests.without_package import BLOCK_THE_PACKAGE

MAJOR, MINOR = (int(number) for number in __version__.split(".")[:2])
NEWER_MINOR, NEWER_MAJOR = f"{MAJOR}.{MINOR + 1}.0", f"{MAJOR + 1}.0.0"


def saved_by(folder, version, **fields):
    """Make a folder look as if another version had written it."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fastast_version": version} | fields))


def test_a_saved_configuration_records_the_version(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["fastast_version"] == __version__


@pytest.mark.parametrize("version", ["0.0.1", __version__, NEWER_MINOR, f"{NEWER_MINOR}.dev3", None])
def test_a_model_of_a_newer_minor_version_loads(version, tmp_path):
    model = tiny_model(merge_ratio=0.25)
    model.save_pretrained(tmp_path)
    saved_by(tmp_path, version)
    loaded = FastASTForAudioClassification.from_pretrained(tmp_path)
    assert loaded.config.to_dict()["fastast_version"] == __version__  # it would be saved by this one
    assert loaded.config.merge_ratio == 0.25


def test_everything_that_transformers_writes_is_known(tmp_path):
    """Else a newer version's files would be refused for what says nothing about the model."""
    model = tiny_model(merge_ratio=0.25, problem_type="multi_label_classification", hidden_dropout_prob=0.1)
    model.half().save_pretrained(tmp_path)
    saved_by(tmp_path, NEWER_MINOR, torch_dtype="float16", _name_or_path="somewhere", num_labels=5)
    FastASTForAudioClassification.from_pretrained(tmp_path, attn_implementation="eager")


def test_a_newer_version_with_fields_of_its_own_is_refused(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    saved_by(tmp_path, NEWER_MINOR, merge_metric="values", merge_energy=0.5)
    message = (
        f"`fastast_version` must be one that fastast_hf {re.escape(__version__)} reads, got {re.escape(NEWER_MINOR)} with "
        "`merge_energy`, `merge_metric`, which it does not know. Install that version or a newer one"
    )
    with pytest.raises(ValueError, match=message):
        FastASTConfig.from_pretrained(tmp_path)


class NewerConfig(FastASTConfig):
    """A later version's, with one more field."""

    merge_metric: str = "keys"


def test_a_later_field_is_saved_only_where_it_matters(tmp_path):
    for metric, is_saved in (("keys", False), ("values", True)):
        NewerConfig(merge_metric=metric).save_pretrained(tmp_path)
        saved = json.loads((tmp_path / "config.json").read_text())
        assert ("merge_metric" in saved) is is_saved
        assert {"merge_ratio", "tokens_merged_per_layer", "proportional_attention"} <= set(saved)
        assert NewerConfig.from_pretrained(tmp_path).merge_metric == metric


def test_fields_of_a_user_are_no_reason_to_refuse_the_same_version(tmp_path):
    tiny_config(recorded_by="us").save_pretrained(tmp_path)
    assert FastASTConfig.from_pretrained(tmp_path).recorded_by == "us"


def test_a_newer_first_number_is_refused(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    saved_by(tmp_path, NEWER_MAJOR)
    with pytest.raises(ValueError, match=rf"got {re.escape(NEWER_MAJOR)}\. Install that version"):
        FastASTConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("version", ["", "new", 1])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(
        ValueError, match=r"`fastast_version` must be a version such as .* Remove it from config\.json"
    ):
        check_saved_version(version, [])


OLD = """
import importlib.metadata, sys
real = importlib.metadata.version
importlib.metadata.version = lambda name: "VERSION" if name == "transformers" else real(name)
"""


def refusal(version, code, *arguments):
    """Run code where pip recorded an old transformers; give the ImportError's words."""
    code = OLD.replace("VERSION", version) + code
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("version", ["5.22.1", "4.57.3"])
def test_an_old_transformers_is_refused_by_name(version):
    text = refusal(version, "try:\n    import fastast_hf\nexcept ImportError as error:\n    print(error)")
    assert (
        f"transformers>=5.23 is required for a normal functioning of this module, but found transformers=={version}"
        in text
    )
    assert "pip install --upgrade 'transformers>=5.23,<6'" in text


REMOTE = """
from transformers import AutoConfig, AutoFeatureExtractor
for auto_class in (AutoConfig, AutoFeatureExtractor):
    try:
        auto_class.from_pretrained(sys.argv[1], trust_remote_code=True)
    except ImportError as error:
        print(error)
"""


def test_the_code_beside_the_weights_refuses_it_too(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    FastASTFeatureExtractor(num_mel_bins=36, max_length=96).save_pretrained(tmp_path)
    assert refusal("5.22.1", BLOCK_THE_PACKAGE + REMOTE, tmp_path).count("but found transformers==5.22.1") == 2


def test_the_packages_own_requirement_says_the_same():
    requirements = metadata.requires("fastast_hf")
    assert any(re.fullmatch(r"transformers\s*(<6,>=5\.23|>=5\.23,<6)", line) for line in requirements), requirements
