from pathlib import Path

import pytest

pytest.importorskip("tyro")

from edgewise.cli.gallery import gallery

PAGE = Path(__file__).parents[2] / "docs" / "gallery.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not here")
def test_the_gallery_shows_the_environments_as_they_are():
    assert PAGE.read_text(encoding="utf-8") == gallery(), (
        "run: edgewise list --gallery docs/gallery.md"
    )
