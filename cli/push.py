"""`edgewise push`: a trained model, or exported problems, on a hub with a card."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.benchmarks.sharing.bundle import Bundle, push
from edgewise.benchmarks.sharing.problems_bundle import problems_bundle
from edgewise.benchmarks.sharing.run_bundle import run_bundle
from edgewise.cli.flags import PushConfig
from edgewise.errors import usage


def run(config: PushConfig, arguments: Sequence[str]) -> None:
    """Push the files with their card, or show what would go."""
    with usage():
        bundle = bundle_of(config)
    if not config.dry_run:
        print("\n".join(bundle.sheet().markdown()))
        print(f"pushed {push(bundle, config.name, config.private)}")
        return
    print(bundle.card)
    print("\n".join(bundle.sheet().markdown()))
    print(f"dry run: nothing was sent; these files would go to the {bundle.kind} {config.name}")


def bundle_of(config: PushConfig) -> Bundle:
    """Return the files of a run, or of problems if the path is that of a file.

    Raises:
        ValueError: If it is neither, or must not be shared as it is.
    """
    if config.path.is_file():
        if config.best:
            raise ValueError("`best` must be left out with a file of problems, got --best")
        return problems_bundle(config.path, config.name, config.license)
    return run_bundle(config.path, config.name, config.best, config.license)
