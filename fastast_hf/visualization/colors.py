"""The palette of Okabe and Ito: colours that all eyes tell apart. What has to be told apart in grey print has its own mark."""

BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"  # light enough for black marks on it, in grey print too
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
