"""The speed room: one set of weights in many variants, measured side by side, from spectrograms and from sound files."""
