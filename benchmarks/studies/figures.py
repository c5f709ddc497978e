"""Draw the figures of the committed comparisons with TRL from their tables.

python -m edgewise.benchmarks.studies.figures
"""

from __future__ import annotations

from pathlib import Path

from edgewise.benchmarks.studies import trl_curricula, trl_curves


def draw_all(folder: Path) -> list[Path]:
    """Draw trl_curves.png and trl_curricula.png into the folder of their tables; return the paths.

    Raises:
        FileNotFoundError: If a table is not there.
    """
    curves, curricula = trl_curves.CurvesConfig(), trl_curricula.CurriculaConfig()
    paths = [folder / config.output.with_suffix(".png").name for config in (curves, curricula)]
    tables = [path.with_suffix(".csv") for path in paths]
    for table in tables:
        if not table.is_file():
            raise FileNotFoundError(f"{table}: must be the table of a comparison, got no such file")
    trl_curves.draw(curves, trl_curves.read(tables[0]), paths[0])
    trl_curricula.draw(curricula, trl_curves.read(tables[1]), paths[1])
    return paths


def main() -> None:
    """Draw into benchmarks/results."""
    for path in draw_all(Path("benchmarks/results")):
        print(path)


if __name__ == "__main__":
    main()
