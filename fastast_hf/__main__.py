"""`python -m fastast_hf ...` is `fastast ...`."""

from fastast_hf.cli import main

if __name__ == "__main__":
    main()
