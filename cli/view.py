"""`edgewise view`: a run, evaluation, comparison or game as a page, written or served."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from edgewise.benchmarks.pages.serve import PageServer
from edgewise.benchmarks.view import view
from edgewise.cli.flags import ViewConfig
from edgewise.errors import usage
from edgewise.files import write_atomically


def run(config: ViewConfig, arguments: Sequence[str]) -> None:
    """Write the page, or serve it until Ctrl-C."""
    with usage():
        page = view(config.folder)
    if config.output is not None:
        write_atomically(config.output, page)
        print(f"page {config.output}")
        return
    with PageServer(lambda: view(config.folder), config.port or 0) as server:
        print(f"{server.url} shows {config.folder}; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
