"""The archive of ESC-10 over and over: what its list names."""

from model_cards import archive
from tests.conftest import ESC10, requires_shared


@requires_shared
def test_a_list_names_sounds_as_often_as_it_takes(tmp_path):
    archive.lay_out(tmp_path, ESC10.parent, num_sounds=1000)
    lines = (tmp_path / "ten-thousand.txt").read_text().splitlines()
    assert len(lines) == 1000
    assert lines[:200] == lines[400:600] == lines[800:]
    assert len(set(lines)) == 400
