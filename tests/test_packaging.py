"""The folders at the root are the packages in the wheel, none forgotten."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def test_every_package_on_disk_is_in_the_wheel():
    folders = SETUPTOOLS["package-dir"]
    on_disk = {
        ".".join([package, *init.parent.relative_to(ROOT / folder).parts])
        for package, folder in folders.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert on_disk | {"edgewise_verifiers"} == set(SETUPTOOLS["packages"])
    assert (ROOT / "edgewise_verifiers" / "__init__.py").exists()


def test_training_needs_the_models_of_its_own_version():
    models = tomllib.loads((ROOT / "seedlings" / "pyproject.toml").read_text())["project"]
    assert models["version"] == PROJECT["project"]["version"]
    extras = PROJECT["project"]["optional-dependencies"]
    assert f"{models['name']}=={models['version']}" in extras["train"]
    assert not any(models["name"] in need for need in PROJECT["project"]["dependencies"])
