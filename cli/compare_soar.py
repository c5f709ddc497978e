"""`edgewise compare --suite soar`: games of SOAR and of Intrinsic-T, and what their students know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rich.console import Console

from edgewise.agents.soar.config import SOARRunConfig, game_of, hard_file
from edgewise.agents.soar.pairs import hard_pairs
from edgewise.agents.soar.records import read_game
from edgewise.agents.soar.report import write_report
from edgewise.agents.soar.run import begin, resume
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.cells import folder_of_size, in_parallel, is_begun
from edgewise.benchmarks.studies.published import SOAR_METHODS
from edgewise.benchmarks.studies.soar import Table, TableConfig, sheets
from edgewise.cli.compare_flags import SOARCompareConfig
from edgewise.errors import usage
from edgewise.files import FileError
from edgewise.folder import Folder, finished
from edgewise.interrupts import Stopped, asked, repeatable
from edgewise.lock import locked

# may change from one call to the next in the same folder
NOT_OF_GAMES = (
    "num_seeds",
    "methods",
    "num_fresh_students",
    "processes",
    "output",
    "max_tokens_per_pass",
)
MEMORY = ("gradient_checkpointing", "max_tokens_per_pass")
REWARDS: tuple[Literal["grounded", "learnability"], ...] = ("grounded", "learnability")
DONE = "report.md"  # of a game
NOTES = """
Figures are in percent of held-out hard problems, with 95 % intervals of a bootstrap over teachers, their
students and problems. Effects are differences in points from Hard-Only, both resampled on their own. The
paper's are differences of the means that it prints, of Llama-3.2-3B-Instruct on MATH and HARP.
"""


def run(config: SOARCompareConfig, command: str, console: Console) -> None:
    """Play what is missing, measure what is missing, and print the table."""
    with locked(config.output):
        compare(config, command, console)


def compare(config: SOARCompareConfig, command: str, console: Console) -> None:
    """Play and measure what is missing, and print the table."""
    with usage():
        games = games_of(config)
        for game in games:
            check(game, config.test)
        folder = folder_of_size(config.output, sizes(config))
    jobs = [(game,) for game in games]
    played = all(game.output and (game.output / DONE).is_file() for game in games)
    with repeatable():
        with usage():
            for done, name in enumerate(in_parallel(play_game, jobs, config.processes), start=1):
                console.print(f"games {done}/{len(games)}  {name}", highlight=False)
            table = Table(table_config(config))
            known = len(table.records)
        for record in table.fill():
            label = SOAR_METHODS[record["method"]]
            told = f"students  {label}, teacher {record['teacher']}, student {record['student']}"
            console.print(told, highlight=False)
            if asked():
                raise Stopped
    if played and len(table.records) == known:
        console.print(finished(known, "students are tested"))
    found = sheets(table.records)
    write_table(found, command, folder)
    for sheet in found:
        console.print(sheet.table())
    console.print(f"report {folder / 'report.md'}", markup=False, highlight=False)


def sizes(config: SOARCompareConfig) -> dict[str, object]:
    """Return what all that is in one folder has in common."""
    record = asdict(config)
    for name in NOT_OF_GAMES:
        del record[name]
    return record


def check(config: SOARRunConfig, test: Path | None) -> None:
    """Raise ValueError if a game has no hard problems to train or to test on."""
    game = game_of(config)
    hard_pairs(hard_file(config, game), game.question)
    hard_pairs(test or hard_file(config, game, "test"), game.question, "test")


def game_folder(config: SOARCompareConfig, reward: str, seed: int) -> Path:
    """Return the folder of one game."""
    return config.output / f"{reward}-s{seed}"


def games_of(config: SOARCompareConfig) -> list[SOARRunConfig]:
    """Return the games, all kinds of a seed together; Intrinsic-T's only if the table has it."""
    shared = ("preset", "agent", "hard", "num_steps", "num_students", "dtype", "device")
    options = {name: getattr(config, name) for name in (*shared, *MEMORY)}
    rewards = REWARDS if "intrinsic-t" in config.methods else REWARDS[:1]
    return [
        SOARRunConfig(**options, seed=seed, reward=reward, output=game_folder(config, reward, seed))
        for seed in range(config.num_seeds)
        for reward in rewards
    ]


def play_game(config: SOARRunConfig) -> str:
    """Play a game, or go on with it, and write its report; return its name.

    Raises:
        Stopped: After an outer step, if the user asked to stop.
        FileError: If the folder has another game, or one of its files is damaged.
    """
    path = config.output
    assert path is not None
    check_asked(path, config)
    if (path / DONE).is_file():
        return path.name
    with locked(path):
        game = resume(path) if is_begun(path) else begin(config)
        game.folder.tell()
        for _ in game.steps():
            if asked() and game.state.step < game.game.soar.num_steps:
                raise Stopped
        game.finish()
        write_report(game.folder, None)
    return path.name


def check_asked(path: Path, config: SOARRunConfig) -> None:
    """Check that the game in a folder, if there is one, is that of the seed and reward that are asked for.

    Raises:
        FileError: If it is another, or its config.json is damaged.
    """
    place = path / "config.json"
    if not place.exists():
        return
    played = read_game(Folder(path))
    for name in ("seed", "reward"):
        if played[name] != getattr(config, name):
            raise FileError(
                f"{place}: `{name}` must be {getattr(config, name)!r} in this folder, got "
                f"{played[name]!r}; move {path} away to play the game again"
            )


def table_config(config: SOARCompareConfig) -> TableConfig:
    """Return the table of all games."""
    grounded, intrinsic = (
        tuple(game_folder(config, reward, seed) for seed in range(config.num_seeds))
        for reward in REWARDS
    )
    return TableConfig(
        runs=grounded,
        output=config.output / "table",
        intrinsic=intrinsic,
        test=config.test,
        methods=config.methods,
        students=config.num_fresh_students,
        num_steps=config.fresh_steps,
    )


def write_table(found: Sequence[Sheet], command: str, folder: Path) -> None:
    """Write report.md into `folder`."""
    lines = ["# The suite soar", "", f"    {command}", ""]
    for sheet in found:
        lines += [*sheet.markdown(), ""]
    RunFolder(folder).write_text("report.md", "\n".join([*lines, *NOTES.strip().splitlines(), ""]))
