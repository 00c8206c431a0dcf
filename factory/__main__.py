"""Where the command `factory` begins, and `python -m factory`."""

from __future__ import annotations

import gc
import sys

from factory.api.shadowed import what_is_wrong
from factory.data.gc_pause import RARELY


def main() -> None:
    """Run the command line."""
    # From the start, because imports make objects by the thousand, and all of them stay.
    gc.set_threshold(*RARELY)
    sentence, broken = what_is_wrong()
    if sentence:
        print(f"{'error' if broken else 'warning'}: {sentence}", file=sys.stderr)
    if broken:
        sys.exit(2)
    from factory.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
