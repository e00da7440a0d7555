"""Files of settings that hold no JSON object, met where transformers opens a checkpoint."""

import pytest

from fastast_hf import FastASTConfig, FastASTFeatureExtractor

BROKEN = {
    "list": (b"[1, 2]", r"a list"),
    "number": (b"7", r".*int.*"),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "maximum recursion depth exceeded.*"),
    "long number": (b'{"hidden_size":' + b"9" * 5_000 + b"}", "Exceeds the limit .*"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize(
    ("opened", "file"), [(FastASTConfig, "config.json"), (FastASTFeatureExtractor, "preprocessor_config.json")]
)
def test_what_is_no_object_is_told_by_its_file(opened, file, kind, tmp_path):
    content, reason = BROKEN[kind]
    (tmp_path / file).write_bytes(content)
    message = rf"`{file}` must be a JSON object of settings, got {tmp_path} with another one \({reason}\)\. Copy or"
    with pytest.raises(ValueError, match=message):
        opened.from_pretrained(tmp_path)


def test_settings_that_are_no_text_are_told_by_their_file(tmp_path):
    (tmp_path / "preprocessor_config.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"`preprocessor_config\.json` must be a JSON object.*'utf-8' codec can't"):
        FastASTFeatureExtractor.from_pretrained(tmp_path)


def test_settings_that_are_not_there_are_transformers_own_to_tell(tmp_path):
    with pytest.raises(OSError, match=f"Can't load feature extractor for '{tmp_path}'"):
        FastASTFeatureExtractor.from_pretrained(tmp_path)
