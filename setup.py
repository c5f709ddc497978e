"""Leave out of wheels what only a checkout has a use for; all else is in pyproject.toml."""

import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text(encoding="utf-8"))
OF_A_CHECKOUT = tuple(PROJECT["tool"]["edgewise"]["of-a-checkout"])


class BuildModules(build_py):
    """Collects the modules: all of them for a checkout that is linked, those of users for a wheel."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Return the package, name and path of each module of a package."""
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        if self.editable_mode:
            return found
        return [one for one in found if not f"{package}.{one[1]}".startswith(OF_A_CHECKOUT)]


setup(cmdclass={"build_py": BuildModules})
