"""The wheel, the public names and the version."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import fastast_hf

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fastast_hf"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, without a network, so that nothing is left in the project."""
    copy = tmp_path_factory.mktemp("source") / "project"
    shutil.copytree(PACKAGE, copy / "fastast_hf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    command = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"
    result = subprocess.run([sys.executable, "-c", command], cwd=copy, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (path,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_every_file_of_the_package(wheel):
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "fastast_hf/py.typed" in expected
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_the_wheel_carries_the_licence_and_the_version(wheel):
    assert any(name.endswith("LICENSE") for name in wheel.namelist())
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
