"""Results for machines."""

import json

from fastast_hf.classification import Classification, LabelScore


def test_a_result_is_json_in_the_words_of_the_pipeline():
    result = Classification("a.wav", 0.0, 5.0, (LabelScore("dog", 0.75), LabelScore("cat", 0.25)))
    assert json.loads(json.dumps(result.to_dict())) == {
        "path": "a.wav",
        "start": 0.0,
        "end": 5.0,
        "labels": [{"label": "dog", "score": 0.75}, {"label": "cat", "score": 0.25}],
        "is_truncated": False,
        "error": None,
    }
