"""The drawing room: results -> figures. It needs matplotlib."""
