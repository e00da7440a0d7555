"""The listening room: files, folders and long recordings -> labels with times."""

from fastast_hf.classification.classify import classify_files
from fastast_hf.classification.files import find_sound_files
from fastast_hf.classification.results import Classification, LabelScore

__all__ = ["Classification", "LabelScore", "classify_files", "find_sound_files"]
