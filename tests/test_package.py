"""The source distribution, the wheel, the public names and the version."""

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import fastast_hf
from tests.without_package import code_behind

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fastast_hf"
TIMEOUT = 300  # seconds that a process may take: far more than any needs
LEFT_OUT = ("__pycache__", ".*", "*.pyc", "runs", "build", "dist", "*.egg-info")  # what no distribution is to hold


def files_of(folder):
    """Name the files of a folder that a distribution is to hold, as seen from the project's root."""
    paths = (path.relative_to(ROOT) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if not any(fnmatch(part, pattern) for part in path.parts for pattern in LEFT_OUT)
    }


BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2]))
"""


def build(kind, source, target):
    """Do what `python -m build` does, without fetching setuptools for it."""
    command = [sys.executable, "-c", BUILD, kind, str(target)]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert result.returncode == 0, result.stderr
    return target / result.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Build the source distribution from a copy, so that nothing is left in the project; give the unpacked folder."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT, folder / "project", ignore=shutil.ignore_patterns(*LEFT_OUT))
    with tarfile.open(build("sdist", folder / "project", folder)) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"fastast_hf-{fastast_hf.__version__}"


@pytest.fixture(scope="module")
def wheel_file(sdist, tmp_path_factory):
    """Build the wheel from the source distribution, as `python -m build` does."""
    return build("wheel", sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel(wheel_file):
    with zipfile.ZipFile(wheel_file) as archive:
        yield archive


def test_the_source_distribution_holds_what_a_packager_tests_with(sdist):
    kept = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    for folder in ("fastast_hf", "tests", "examples", "model_cards"):
        assert files_of(ROOT / folder) - kept == set()
    pages = {"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "NOTICE"}
    assert pages | {"Makefile", "setup.cfg", "pyproject.toml"} <= kept


OUTSIDE = """
import pathlib, sys
import fastast_hf, fastast_hf.distillation, fastast_hf.evaluation, fastast_hf.experiment, fastast_hf.hub.model_card
target = pathlib.Path(sys.argv[1])
assert pathlib.Path(fastast_hf.__file__).is_relative_to(target), fastast_hf.__file__
sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
config = fastast_hf.FastASTConfig(**sizes, max_length=96, num_mel_bins=36, merge_ratio=0.25)
fastast_hf.FastASTForAudioClassification(config).save_pretrained("saved")
print(sorted(path.name for path in pathlib.Path("saved").iterdir()))
"""


def test_the_wheel_works_outside_the_checkout(wheel_file, tmp_path):
    target = tmp_path / "installed"
    install = ["pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel_file)]
    subprocess.run([sys.executable, "-m", *install], check=True, capture_output=True, timeout=TIMEOUT)
    result = subprocess.run(
        [sys.executable, "-c", OUTSIDE, str(target)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert result.returncode == 0, result.stderr
    saved = ast.literal_eval(result.stdout.splitlines()[-1])
    assert {name for name in saved if name.endswith(".py")} == code_behind("modeling_fastast.py")


def test_the_wheel_holds_every_file_of_the_package(wheel):
    expected = files_of(PACKAGE)
    assert "fastast_hf/py.typed" in expected
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected | {"fastast_command.py"}


def test_the_wheel_carries_licence_notices_and_the_version(wheel):
    for page in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f".dist-info/licenses/{page}") for name in wheel.namelist())
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(name).decode()
    assert f"\nVersion: {fastast_hf.__version__}\n" in text
    assert "\nName: fastast_hf\n" in text or "\nName: fastast-hf\n" in text


def test_every_folder_of_the_package_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_public_names_are_sorted_and_there():
    assert fastast_hf.__all__ == sorted(fastast_hf.__all__)
    assert len(set(fastast_hf.__all__)) == len(fastast_hf.__all__)
    for name in fastast_hf.__all__:
        assert hasattr(fastast_hf, name)


def test_the_version_stands_in_one_place():
    assert re.fullmatch(r"\d+\.\d+\.\d+", fastast_hf.__version__)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: fastast_hf.model.version.__version__"
    spelt_out = [path.name for path in PACKAGE.rglob("*.py") if f'"{fastast_hf.__version__}"' in path.read_text()]
    assert spelt_out == ["version.py"]
    assert metadata.version("fastast_hf") == fastast_hf.__version__


def test_the_citation_names_the_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == "Apache-2.0"
    arxiv = {reference["url"].rpartition("/")[2] for reference in citation["references"]}
    assert arxiv == {"2406.07676", "2210.09461", "2203.06760", "2104.01778"}
    assert all(number in (ROOT / "README.md").read_text() for number in arxiv)
