"""Where the command `factory` begins, and `python -m factory`."""

from __future__ import annotations

import gc

from factory.data.gc_pause import RARELY


def main() -> None:
    """Run the command line."""
    # From the start, because imports make objects by the thousand, and all of them stay.
    gc.set_threshold(*RARELY)
    from factory.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
