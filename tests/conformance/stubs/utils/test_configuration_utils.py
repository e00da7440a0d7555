"""Stands in for one table of transformers' tests, which its source distribution leaves out."""

# A value other than its default for each field that all configurations have; `ConfigTester` looks for them again.
config_common_kwargs = {
    "architectures": ["FastASTModel"],
    "chunk_size_feed_forward": 2,
    "dtype": "float16",
    "id2label": {0: "rain"},
    "is_encoder_decoder": True,
    "label2id": {"rain": 0},
    "output_hidden_states": True,
    "problem_type": "regression",
    "return_dict": False,
}
