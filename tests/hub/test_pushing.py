"""What reaches the Hub, and what a machine without the package makes of it: real processes, the real client."""

import ast
import csv
import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from datasets import Audio, Dataset
from huggingface_hub import ModelCard

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.data import make_synthetic_dataset
from fastast_hf.distillation import EfficientATConfig
from fastast_hf.hub.results import load_results
from tests.conftest import tiny_ast, tiny_model
from tests.hub.commits import assert_whole
from tests.hub.process_worker import MERGE_RATIO, SLOW, STRATEGIES, feature_extractor
from tests.loopback_hub import LoopbackHub
from tests.loopback_routes import TOKEN
from tests.without_package import TIMEOUT, assert_complete, auto_map, code_behind, run_without_the_package

ROOT = Path(__file__).parents[2]
TRAININGS = [f"you/{name}" for name in (*STRATEGIES, SLOW, "refused", "killed")]


@pytest.fixture(scope="module")
def hub():
    with LoopbackHub() as hub:
        yield hub
    assert hub.not_spoken == []


@contextmanager
def worker(what, folder, hub, **options):
    """Run a process that writes its errors to errors.txt, until the end of the block at the latest.

    It ends with this one as well: then nobody holds the other end of its standard input.
    """
    environment = hub.environment(folder / "home", **options)
    command = [sys.executable, "-m", "tests.hub.process_worker", what, str(folder)]
    with (
        (folder / "errors.txt").open("w") as errors,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stderr=errors) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def publish_pointer(hub, folder):
    """Publish a model whose code is in another repository, as transformers before version 5 saved one from the Hub."""
    tiny_model(merge_ratio=MERGE_RATIO).save_pretrained(folder)
    feature_extractor().save_pretrained(folder)
    for name in ("config.json", "preprocessor_config.json"):
        content = json.loads((folder / name).read_text())
        content["auto_map"] = {auto_class: f"you/fast--{code}" for auto_class, code in content["auto_map"].items()}
        (folder / name).write_text(json.dumps(content))
    for code in folder.glob("*.py"):
        code.unlink()
    hub.publish(folder, "you/pointer")


@pytest.fixture(scope="module")
def models(hub, tmp_path_factory):
    """Models and feature extractors that were pushed by their own `push_to_hub`."""
    folder = tmp_path_factory.mktemp("models")
    publish_pointer(hub, folder / "pointer")
    hub.fail("POST", "/you/flaky/commit/", status=500)
    with worker("models", folder, hub) as process:
        process.wait(TIMEOUT)
    assert process.returncode == 0, (folder / "errors.txt").read_text()
    return {"folder": folder, **json.loads((folder / "models.json").read_text())}


@pytest.fixture(scope="module")
def trainings(hub, tmp_path_factory):
    """Trainings that pushed, by a client with `hf_xet`; one of them refused once, another one killed."""
    folder = tmp_path_factory.mktemp("trainings")
    for name in TRAININGS:
        hub.add_repository(name, large_files=())
    hub.fail("POST", "/you/refused/commit/", status=403)
    hub.slow_down(f"/you/{SLOW}/", 0.2)  # a push takes longer than a step and its save
    killed = hub.repository("you/killed")
    with worker("trainings", folder, hub, xet=True) as process:
        hub.wait_until(lambda: len(killed.history()) > 2 or process.poll() is not None, timeout=TIMEOUT)
    assert process.returncode < 0, (folder / "errors.txt").read_text()
    return {"folder": folder, **json.loads((folder / "trainings.json").read_text())}


@pytest.fixture(scope="module")
def sources(hub, tmp_path_factory):
    """What a run on the Hub starts from: an AST and sounds with a card, a teacher's configuration."""
    folder = tmp_path_factory.mktemp("sources")
    for name, license in (("start", "bsd-3-clause"), ("sounds", "cc-by-4.0")):
        (folder / name).mkdir()
        (folder / name / "README.md").write_text(f"---\nlicense: {license}\n---\n# {name}\n")
    tiny_ast(num_mel_bins=48, max_length=64).save_pretrained(folder / "start")
    FastASTFeatureExtractor(num_mel_bins=48, max_length=64).save_pretrained(folder / "start")
    EfficientATConfig(width_multiplier=0.1).save_pretrained(folder / "teacher")

    files = make_synthetic_dataset(folder / "files", clips_per_class=5, seconds=0.64)
    with (files / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for part in ("train", "test"):
        of_part = [row for row in rows if row["split"] == part]
        audio = [{"bytes": (files / row["file_name"]).read_bytes(), "path": row["file_name"]} for row in of_part]
        columns = {"audio": audio, "label": [row["label"] for row in of_part]}
        dataset = Dataset.from_dict(columns).cast_column("audio", Audio(decode=False))
        dataset.to_parquet(folder / "sounds" / f"{part}-00000-of-00001.parquet")
    hub.publish(folder / "start", "you/start")
    hub.publish(folder / "sounds", "you/sounds", "dataset")
    return folder


@pytest.fixture(scope="module")
def distilled(hub, sources, tmp_path_factory):
    """Run examples/distill.py twice, the same command: the Hub fails at the first one's commit."""
    folder = tmp_path_factory.mktemp("distilled")
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--cpu", ROOT / "examples" / "distill.py"),
        *("--dataset_name", "you/sounds", "--model_name_or_path", "you/start", "--merge_ratio", "0.25"),
        *("--teacher_config_name", sources / "teacher", "--teacher_num_train_epochs", "1"),
        *("--distillation_weight", "0.9", "--num_train_epochs", "1", "--save_strategy", "epoch", "--use_cpu"),
        *("--frequency_mask_bins", "8", "--time_mask_frames", "8", "--benchmark_repeats", "2"),
        *("--output_dir", "runs/distilled", "--push_to_hub", "--hub_token", TOKEN),
    ]
    hub.fail("POST", "/you/distilled/commit/", status=500)
    environment = hub.environment(folder / "home")
    runs = []
    for _ in range(2):
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
        runs.append((run, len(hub.repository("you/distilled").history())))
    return {"folder": folder, "runs": runs}


WITHOUT_THE_PACKAGE = """
import json
def load(auto_class, repository, **options):
    return auto_class.from_pretrained(repository, trust_remote_code=True, **options)

settings = json.load(open(out + "/settings.json"))
with torch.inference_mode():
    for revision in settings["of the model"]:
        logits = load(AutoModelForAudioClassification, folder, revision=revision)(x).logits
        np.save(f"{out}/{revision}.npy", logits)
    classifier = pipeline("audio-classification", model=folder, trust_remote_code=True, revision=revision)
    print("SCORES", {row["label"]: row["score"] for row in classifier(waveform, top_k=None)})
    assert type(classifier.feature_extractor).__name__ == "FastASTFeatureExtractor"
    assert load(AutoModel, folder, revision=revision)(x).last_hidden_state.isfinite().all()

    for repository, revision in settings["loadable"]:
        model = load(AutoModelForAudioClassification, repository, revision=revision)
        extractor = load(AutoFeatureExtractor, repository, revision=revision)
        features = extractor(waveform, sampling_rate=16000, return_tensors="pt")
        assert model(**features).logits.isfinite().all(), (repository, revision)
        assert type(model).__module__.startswith("transformers_modules"), type(model)

for repository, revision in settings["saved again"]:
    name = repository.removeprefix("you/")
    for auto_class in (AutoModelForAudioClassification, AutoFeatureExtractor):
        thing = load(auto_class, repository, revision=revision, code_revision=settings["of the model"][-1])
        thing.push_to_hub(f"{name}-again-without")
        thing.save_pretrained(f"{out}/{name}-again")

def error_of(action):
    try:
        action()
    except OSError as error:
        return str(error)
    raise AssertionError("it succeeded")

told = {
    "private": error_of(lambda: load(AutoModelForAudioClassification, "you/secret", token=False)),
    "500": error_of(lambda: load(AutoModelForAudioClassification, "you/flaky", revision=settings["flaky"])),
}
model = load(AutoModelForAudioClassification, "you/flaky", revision=settings["flaky"])
assert model(x).logits.isfinite().all()
assert "fastast_hf" not in sys.modules
json.dump(told, open(out + "/told.json", "w"))
"""


def loadable_revisions(hub, name):
    commits = hub.repository(name).history()
    return [[name, commit.sha] for commit in commits if "preprocessor_config.json" in commit.files]


@pytest.fixture(scope="module")
def loaded(hub, models, trainings, distilled, tmp_path_factory):
    """Load all of it in one process without the package, each revision by its commit."""
    folder = tmp_path_factory.mktemp("loaded")
    flaky = hub.repository("you/flaky").head()
    weights = f"/storage/{flaky.files['model.safetensors'].sha256}"
    hub.fail("GET", weights, status=500)
    hub.fail("GET", weights, drop="answer")
    names = [*TRAININGS, "you/fast-again-with", "you/pointer-again-with", "you/distilled"]
    settings = {
        "of the model": list(models["commits"].values()),
        "loadable": [revision for name in names for revision in loadable_revisions(hub, name)],
        "saved again": [[name, hub.repository(name).head().sha] for name in ("you/fast", "you/pointer")],
        "flaky": flaky.sha,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    stdout = run_without_the_package(WITHOUT_THE_PACKAGE, "you/fast", folder, hub.environment(folder / "home"))
    told = json.loads((folder / "told.json").read_text())
    return {"folder": folder, "told": told, "stdout": stdout, "downloads": hub.count("GET", weights)}


# Models and feature extractors


def test_a_pushed_model_gives_the_same_logits_without_the_package(models, loaded):
    expected = np.load(models["folder"] / "logits.npy")
    for revision in models["commits"].values():
        np.testing.assert_allclose(np.load(loaded["folder"] / f"{revision}.npy"), expected, rtol=1e-5, atol=1e-6)


def test_the_pipeline_finds_model_and_feature_extractor_by_name(models, loaded):
    scores = ast.literal_eval(loaded["stdout"].partition("SCORES ")[2].strip())
    expected = np.load(models["folder"] / "scores.npy")
    assert scores == {f"sound {index}": pytest.approx(score, abs=1e-5) for index, score in enumerate(expected)}


def test_each_push_is_one_whole_commit(hub, models, tmp_path):
    initial, model, feature_extractor = hub.repository("you/fast").history()
    assert [model.sha, feature_extractor.sha] == list(models["commits"].values())
    assert set(initial.files) == {".gitattributes"}
    assert assert_whole(model) == {""}
    assert set(feature_extractor.files) - set(model.files) == {
        "preprocessor_config.json",
        *code_behind("feature_extraction_fastast.py") - code_behind("modeling_fastast.py"),
    }
    assert model.files["model.safetensors"].is_large
    assert_complete(feature_extractor.write(tmp_path))


@pytest.mark.parametrize("package", ["with", "without"])
@pytest.mark.parametrize("name", ["fast", "pointer"])
def test_what_came_from_the_hub_goes_back_with_its_code(name, package, hub, models, loaded, tmp_path):
    assert_complete((models if package == "with" else loaded)["folder"] / f"{name}-again")
    before, after = (hub.repository(f"you/{name}{end}").head() for end in ("", f"-again-{package}"))
    assert_complete(after.write(tmp_path))
    assert after.files["model.safetensors"] == before.files["model.safetensors"]


def test_what_the_hub_refuses_is_passed_on(hub, models, loaded):
    told = models["told"]
    assert "HfHubHTTPError: " in told["no token"]
    assert "401" in told["no token"]
    assert "Invalid username or password." in told["no token"]
    assert "Invalid credentials in Authorization header" in told["wrong token"]
    assert "You don't have the rights to create a model under the namespace 'somebody'" in told["another's name"]
    assert hub.repository("you/secret").private
    for words in (told["private"], loaded["told"]["private"]):
        assert "you/secret is not a local folder and is not a valid model identifier" in words
        assert "If this is a private repository, make sure to pass a token" in words
    assert ("model", "you/nothing") not in hub.repositories


def test_a_failed_push_leaves_nothing_and_the_next_one_completes(hub, models):
    assert "HfHubHTTPError: " in models["told"]["commit"]
    assert "500" in models["told"]["commit"]
    assert [commit.title for commit in hub.repository("you/flaky").history()] == [
        "initial commit",
        "Upload FastASTForAudioClassification",
        "Upload feature extractor",
    ]


def test_a_failed_download_is_told_and_a_broken_one_goes_on(loaded):
    assert "500" in loaded["told"]["500"]
    assert loaded["downloads"] == 3, "500; the half; the rest"


# Trainings


@pytest.mark.parametrize("name", TRAININGS)
def test_no_revision_of_a_training_lacks_weights_or_code(name, hub, trainings):
    initial, *commits = hub.repository(name).history()
    assert set(initial.files) == {".gitattributes"}
    for commit in commits:
        assert "" in assert_whole(commit)
        assert not [file for file in commit.files if file.startswith(("_", "checkpoint-"))]
    assert commits


def test_each_strategy_pushes_what_it_promises(hub, trainings):
    titles = {name: [commit.title for commit in hub.repository(f"you/{name}").history()[1:]] for name in STRATEGIES}
    steps = [f"Training in progress, step {step}" for step in (1, 2)]
    assert titles["every_save"] == [*steps, "End of training"]
    assert titles["checkpoint"] == [
        *(title for step in steps for title in (step, f"{step}, checkpoint")),
        "End of training",
    ]
    assert titles["end"] == ["End of training"]
    titles[SLOW] = [commit.title for commit in hub.repository(f"you/{SLOW}").history()[1:]]
    assert titles[SLOW] == [
        f"Training in progress, step {step}{end}" for step in (1, 2, 3) for end in ("", ", checkpoint")
    ]
    checkpoint = hub.repository("you/checkpoint").head()
    assert assert_whole(checkpoint) == {"", "last-checkpoint/"}
    assert "last-checkpoint/trainer_state.json" in checkpoint.files


@pytest.mark.parametrize("name", ["every_save", "checkpoint", SLOW, "refused"])
def test_each_commit_holds_the_weights_of_its_step(name, hub, trainings):
    """However slow the Hub is: the next step's weights wait until these are sent."""
    commits = {commit.title: commit for commit in hub.repository(f"you/{name}").history()}
    steps = {title: match for title in commits if (match := re.match(r"Training in progress, step (\d+)", title))}
    assert steps
    for title, match in steps.items():
        path = ("last-checkpoint/" if title.endswith(", checkpoint") else "") + "model.safetensors"
        saved = trainings["folder"] / name / f"checkpoint-{match[1]}" / "model.safetensors"
        assert commits[title].files[path].content == saved.read_bytes(), title


def test_the_last_push_holds_the_whole_model_and_a_card(hub, trainings, tmp_path):
    for strategy in STRATEGIES:
        commit = hub.repository(f"you/{strategy}").head()
        assert_complete_without_checkpoints(commit, tmp_path / strategy)
        data = ModelCard(commit.text("README.md")).data
        assert data.pipeline_tag == "audio-classification"
        assert data.library_name == "transformers"
        assert {"birds", "generated_from_trainer"} <= set(data.tags)
        assert len(data.tags) == len(set(data.tags))


def assert_complete_without_checkpoints(commit, folder):
    folder.mkdir()
    assert_complete(commit.write(folder))


def test_no_push_carries_the_token(hub, trainings, distilled):
    for (_, name), repository in hub.repositories.items():
        for commit in repository.history():
            assert not [file for file, stored in commit.files.items() if TOKEN.encode() in stored.content], name


def test_a_push_that_fails_while_the_training_goes_on_is_told(hub, trainings):
    assert [commit.title for commit in hub.repository("you/refused").history()] == [
        "initial commit",
        "Training in progress, step 2",
    ]
    (logged,) = trainings["logged"]
    assert logged.startswith("A push to the Hub failed, the training is not touched by it: ")
    assert "403" in logged
    assert "`trainer.push_to_hub()`" in logged


def test_a_wrong_token_is_told_before_the_training(trainings):
    assert "Invalid credentials in Authorization header" in trainings["told"]["wrong token"]


# examples/distill.py


def test_distill_says_that_nothing_is_lost_and_pushes_at_the_next_call(hub, distilled):
    (failed, commits_then), (completed, commits_now) = distilled["runs"]
    assert failed.returncode != 0
    assert "Planned by the test" in failed.stderr, "what the Hub said"
    assert "The push to you/distilled failed, and nothing is lost" in failed.stderr
    assert "are complete in runs/distilled. Run the same command again to push them" in failed.stderr
    assert completed.returncode == 0, completed.stderr
    assert (commits_then, commits_now) == (1, 2)
    assert "train_runtime" in failed.stdout
    assert "train_runtime" not in completed.stdout, "it trains nothing twice"


def test_distill_pushes_the_model_and_nothing_else(hub, distilled, loaded, tmp_path):
    commit = hub.repository("you/distilled").head()
    code = code_behind("modeling_fastast.py", "feature_extraction_fastast.py")
    pages = {"README.md", "results.json", "config.json", "preprocessor_config.json", ".gitattributes"}
    assert set(commit.files) == {"model.safetensors", *code, *pages}
    folder = commit.write(tmp_path)
    assert_complete(folder)
    assert auto_map(folder, "config.json")
    assert load_results(folder / "results.json")["data"]["id"] == "you/sounds"
    for left in ("checkpoint-5", "_settings.json", "_teacher", "training_args.bin"):
        assert (distilled["folder"] / "runs" / "distilled" / left).exists(), "it was there to be pushed"


def test_the_card_names_all_that_is_known(hub, distilled):
    card = ModelCard(hub.repository("you/distilled").head().text("README.md"))
    data = card.data
    assert (data.pipeline_tag, data.library_name) == ("audio-classification", "transformers")
    assert (data.base_model, data.datasets) == ("you/start", ["you/sounds"])
    assert data.license == "bsd-3-clause"
    assert {"accuracy", "map"} <= set(data.metrics)
    assert {result.metric_type for result in data.eval_results} == set(data.metrics)
    assert {result.dataset_type for result in data.eval_results} == {"you/sounds"}
    assert "- Data (you/sounds): cc-by-4.0" in card.text
    assert '"you/distilled", revision="<commit>", trust_remote_code=True' in card.text
