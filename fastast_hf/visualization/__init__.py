"""The drawing room: results -> figures. It brings matplotlib.

`draw_...` gives a matplotlib figure, `plot_...` writes it into a file.

Example:
    >>> rows = [{"name": "ratio 0.25", "batch_size": 8, "speed_up": 3.8, "mac_ratio": 3.9}]
    >>> figure = draw_speed({"kind": "speed", "model": "my-fastast", "benchmark": {"rows": rows}})
    >>> figure.axes[0].get_title(loc="left")
    'my-fastast, batch 8'
"""

from fastast_hf.visualization.comparison import draw_comparison, plot_comparison
from fastast_hf.visualization.merge_map import draw_merge_map, plot_merge_map
from fastast_hf.visualization.schedules import draw_schedules, plot_schedules
from fastast_hf.visualization.speed import draw_speed, plot_speed

__all__ = [
    "draw_comparison",
    "draw_merge_map",
    "draw_schedules",
    "draw_speed",
    "plot_comparison",
    "plot_merge_map",
    "plot_schedules",
    "plot_speed",
]
