"""The folders at the root are the packages in the wheel, none forgotten, and it needs nothing that it lacks."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
OF_A_CHECKOUT = tuple(PROJECT["tool"]["edgewise"]["of-a-checkout"])


def modules():
    """The file of each module of a checkout, by its name."""
    for package, folder in SETUPTOOLS["package-dir"].items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([package, *parts]), path


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


def test_what_a_wheel_leaves_out_is_there_and_nothing_in_it_needs_it():
    every = dict(modules())
    assert all(any(name.startswith(one) for name in every) for one in OF_A_CHECKOUT)
    packages = {".".join(one.split(".")[:2]) for one in OF_A_CHECKOUT}
    for name, path in every.items():
        text = path.read_text(encoding="utf-8")
        if name.startswith(OF_A_CHECKOUT) or not any(package in text for package in packages):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                used = [f"{node.module}.{alias.name}." for alias in node.names]
            elif isinstance(node, ast.Import):
                used = [f"{alias.name}." for alias in node.names]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used = [node.value.replace(":", ".")]
            else:
                continue
            assert not any(one.startswith(OF_A_CHECKOUT) for one in used), (name, ast.unparse(node))
