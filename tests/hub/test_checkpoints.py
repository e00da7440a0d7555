"""What a checkpoint is called, and what it says of itself before it is loaded."""

import re
import socket
import time
from pathlib import Path

import pytest
from transformers import ViTConfig

from fastast_hf.hub.checkpoints import check_checkpoint_name, checkpoint_config, has_weights_here


@pytest.mark.parametrize("name", ["MIT/ast-finetuned-audioset-10-10-0.4593", "you/fast.v2", "a/b"])
def test_names_on_the_hub_pass(name):
    check_checkpoint_name(name)


WRONG = [
    "gone",
    "./gone",
    "../gone",
    "/gone/model",
    "~/model",
    "a/b/c",
    "gone/",
    "model.safetensors",
    "gone/model.ONNX",
]


@pytest.mark.parametrize("name", [*WRONG, "", "a b/c", "-a/b", r"models\fast", "C:/fast"])
def test_what_is_no_folder_and_no_name_on_the_hub_is_told_before_the_hub_is_asked(name, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = (
        f"`model` must be a folder or a name on the Hub, got {name}. There is no such folder, and a name on the Hub is"
    )
    with pytest.raises(OSError, match=re.escape(message)):
        checkpoint_config(name)
    assert not hub.requests


def test_a_file_is_told_from_its_folder(fastast_folder):
    file = fastast_folder / "model.safetensors"
    message = f"got the file {re.escape(str(file))}. Name the folder of the checkpoint"
    with pytest.raises(OSError, match=message):
        check_checkpoint_name(str(file))


def test_a_folder_may_be_called_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("fast", "a b", "model.onnx", "a/b/c"):
        Path(name).mkdir(parents=True)
        assert checkpoint_config(name) == {}, "and hold no config.json"
    ViTConfig().save_pretrained("fast")
    assert checkpoint_config("./fast")["model_type"] == "vit"
    Path("fast/config.json").write_text("{")
    with pytest.raises(OSError, match=r"`model` must be a folder or a name on the Hub, got fast.*valid JSON"):
        checkpoint_config("fast")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[1, 2]", "a list"),
        ("[" * 100_000 + "]" * 100_000, "maximum recursion depth exceeded.*"),
        ('{"num_labels": ' + "9" * 5_000 + "}", "Exceeds the limit .*"),
    ],
)
def test_a_configuration_that_is_no_object_is_told(content, reason, tmp_path):
    (tmp_path / "config.json").write_text(content)
    message = rf"`config\.json` must be a JSON object of settings, got {tmp_path} with another one \({reason}\)\. Copy"
    with pytest.raises(ValueError, match=message):
        checkpoint_config(str(tmp_path))


def test_a_checkpoint_of_the_hub(fastast_folder, hub):
    hub.publish(fastast_folder, "you/fast")
    assert checkpoint_config("you/fast")["model_type"] == "fastast"
    hub.publish(fastast_folder / "..", "you/parent")
    assert checkpoint_config("you/parent") == {}
    with pytest.raises(OSError, match="`model` must be a folder or a name on the Hub, got you/gone"):
        checkpoint_config("you/gone")


def test_a_hub_that_cannot_be_reached_is_asked_once_and_told(hub, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # where nobody listens behind the block
    url = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url)
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(
        OSError, match=r"`model` must be a folder or a name on the Hub, got you/fast\. We couldn't connect"
    ):
        checkpoint_config("you/fast")
    assert sum(waits) < 30, "as long as the client tries once"


def test_weights_are_here_once_they_were_downloaded(fastast_folder, hub):
    from fastast_hf import FastASTForAudioClassification

    hub.publish(fastast_folder, "you/fast")
    assert has_weights_here(str(fastast_folder))
    assert not has_weights_here("you/fast")
    FastASTForAudioClassification.from_pretrained("you/fast")
    assert has_weights_here("you/fast")
    assert not has_weights_here("you/fast", revision="other")
