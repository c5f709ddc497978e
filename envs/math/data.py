r"""Mathematical data sets: MATH, GSM8K, AQuA, AIME, AMC, HARP, OlympiadBench and Minerva Math.

Presets "sec" of Chen et al. (2025), arXiv 2505.14970, and "e2h" of Parashar et al. (2025), arXiv
2506.06632. Nothing is packaged: see `MathDataset` for where the files are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from edgewise.envs.math.answers import compared, names_option, write_options
from edgewise.envs.math.files import (
    HUB,
    SOURCES,
    DataFolder,
    Problem,
    check_problem,
    data_folder,
    distinct,
    find_file,
    label_of,
    matches,
    needed_file,
    normalise,
    rows_of,
    source_of,
)
from edgewise.envs.math.presets import make_presets
from edgewise.errors import unknown
from edgewise.grading import anticipate, equivalent_many, graded_by
from edgewise.problem_set import ProblemSet
from edgewise.registration import DIVISIONS
from edgewise.row_file import stamped
from edgewise.rows import Row, convert_rows, read_rows
from edgewise.task import Verdict, split_of_key

SUBJECTS = (
    "Prealgebra", "Algebra", "Number Theory", "Counting & Probability", "Geometry",
    "Intermediate Algebra", "Precalculus",
)  # fmt: skip


@dataclass(frozen=True)
class MathDataset(ProblemSet[Problem]):
    """Answer a question of a mathematical data set.

    The files are looked for in `data`, by default the folder that EDGEWISE_DATA names, as JSON lines,
    plain or in gzip; with "hub" they are had from there. A training row whose text is that of a test
    row of any data set there is left out. Answers are compared for mathematical equivalence, those
    without a reading of the gold answer as texts; `info` then has `graded_by`, "text".
    """

    data: str | None = None

    name: ClassVar[str]  # of the environment
    files: ClassVar[Mapping[str, str]]  # of each split, without the ending
    subjects: ClassVar[Sequence[str]] = ()
    part_params = {"subject": str, "function": str, "part": str}
    presets = make_presets(1)

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Return the problem of a row; None if it is left out."""
        return Problem(row["problem"], row["answer"], subject=row.get("subject") or "")

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems of one split with `level`, and with `subject` if it is given."""
        return select(type(self), current(str(data_folder(self.data))), split, **params)

    def prompt(self, problem: Problem, template: str) -> str:
        """State the question and the answer format."""
        return template.format(problem=problem.text)

    def verify(self, problem: Problem, answer: str) -> Verdict:
        """Return whether `answer` means the same as the gold answer."""
        return self.verify_many([problem], [answer])[0]

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[Verdict]:
        """Return `verify` of each pair, all at once."""
        golds = [problem.answer for problem in problems]
        return equivalent_many(golds, list(map(compared, golds, answers)))

    def anticipate(self, problem: Problem, answer: str) -> None:
        """Let a worker begin to compare `answer` with the gold answer."""
        anticipate(problem.answer, compared(problem.answer, answer))

    def notes(self, problem: Problem) -> Mapping[str, str]:
        """Say so if answers are compared with the gold answer as texts."""
        by = graded_by(problem.answer)
        return {} if by == "value" else {"graded_by": by}

    def solve(self, problem: Problem) -> str:
        """Return the gold answer."""
        return problem.answer

    def canonical(self, problem: Problem) -> str:
        """Forget spaces and the like."""
        return normalise(problem.text)

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return one part for each subject, or for each label of a registered division."""
        if kind in DIVISIONS:
            split = "train" if "train" in self.files else "test"
            rows = [
                row for level in self.presets["sec"].levels for row in self.rows(split, level=level)
            ]
            labels = sorted({label_of(kind, problem) for problem in rows})
            return [{"function": kind, "part": label} for label in labels]
        if kind != "subject" or not self.subjects:
            parts = "None, a list or 'subject'" if self.subjects else "None or a list"
            parts += ", a function, or the name under which `edgewise.register_division` has one"
            raise ValueError(f"`arms` must be {parts} for {self.name}, got {kind!r}")
        return [{"subject": subject} for subject in self.subjects]


@dataclass(frozen=True)
class MATH(MathDataset):
    """Solve a competition problem of MATH (Hendrycks et al., 2021), levels 1 to 5, 7 subjects.

    The partition "sec" trains on all problems of arXiv 2505.14970, most of the test set among them,
    and tests on MATH500; "soar" draws both from the test set, as arXiv 2601.18778 does.
    """

    partition: str = "official"  # or "sec" or "soar"

    name = "MATH-v0"
    files = {"train": "math/train", "test": "math/test"}
    subjects = SUBJECTS
    presets = make_presets(5, ood=(5,), e2h="e2h_math")

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Leave out the rows without a level or an answer."""
        if row["level"] is None or not row["answer"].strip():
            return None
        return Problem(row["problem"], row["answer"], row["level"], row["subject"])

    def __post_init__(self) -> None:
        """Check the partition."""
        if self.partition not in PARTITIONS:
            raise ValueError(unknown("partition", self.partition, PARTITIONS))

    @property
    def clean(self) -> tuple[str, ...]:
        """Return the data sets whose test problems may be evaluated after training on this one."""
        spoiled = PARTITIONS[self.partition].spoiled
        return tuple(kind.name for kind in DATASETS if kind.name not in spoiled)

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems of one split of the partition."""
        return super().rows(split, partition=self.partition, **params)


class MATH500(MathDataset):
    """Solve a problem of the 500 of MATH that are most used for evaluation."""

    name = "MATH500-v0"
    files = {"test": "math/math500"}
    subjects = SUBJECTS
    read_row = staticmethod(MATH.read_row)
    presets = make_presets(5, e2h="e2h_math")


class AIME24(MathDataset):
    """Solve a problem of AIME 2024."""

    name = "AIME24-v0"
    files = {"test": "aime24/aime24"}


class AIME25(MathDataset):
    """Solve a problem of AIME 2025."""

    name = "AIME25-v0"
    files = {"test": "aime25/aime25"}


class AMC(MathDataset):
    """Solve one of 83 problems of AMC 12, 2022 and 2023."""

    name = "AMC-v0"
    files = {"test": "amc/amc22_23"}


class AMC23(AMC):
    """Solve one of the 40 problems of AMC 12 known as AMC23."""

    name = "AMC23-v0"

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Leave out the other 43."""
        return MathDataset.read_row(row) if row["in_qwen_amc23_40"] else None


class GSM8K(MathDataset):
    """Solve a word problem of GSM8K (Cobbe et al., 2021); levels: up to 2, 3, 4 and more steps."""

    name = "GSM8K-v0"
    files = {"train": "gsm8k/train", "test": "gsm8k/test"}
    presets = make_presets(4, e2h="e2h_gsm8k")

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Find the level from the count of calculations in the solution."""
        return Problem(row["problem"], row["answer"], min(max(row["n_steps"] - 1, 1), 4))


class AQuA(MathDataset):
    """Choose the right one of five options for a problem of AQuA-RAT (Ling et al., 2017)."""

    name = "AQuA-v0"
    files = {"validation": "aqua_rat/dev", "test": "aqua_rat/test"}
    presets = make_presets(1, e2h="e2h_aqua", template="letter")

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Write the options below the question."""
        return Problem(write_options(row["problem"], row["options"]), row["answer"])

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[Verdict]:
        """Return whether each answer names the right option, see `choices`."""
        return [
            names_option(problem.text, problem.answer, answer)
            for problem, answer in zip(problems, answers, strict=True)
        ]

    anticipate = ProblemSet.anticipate  # a letter is compared at once
    notes = ProblemSet.notes

    def num_answers(self, problem: Problem) -> int | None:
        """Return the number of options."""
        return 5


class OlympiadBench(MathDataset):
    """Solve a text-only English problem of OlympiadBench (He et al., 2024)."""

    name = "OlympiadBench-v0"
    files = {"test": "olympiadbench/oe_to_maths_en_comp"}
    subjects = ("Algebra", "Combinatorics", "Geometry", "Number Theory")


class MinervaMath(MathDataset):
    """Solve an undergraduate problem in science of Minerva Math (Lewkowycz et al., 2022)."""

    name = "MinervaMath-v0"
    files = {"test": "minerva_math/test"}


class HARP(MathDataset):
    """Solve a short-answer problem of HARP (Yue et al., 2024), levels 1 to 4 of 6."""

    name = "HARP-v0"
    files = {"test": "harp/harp_mcq_500"}
    subjects = (
        "prealgebra", "algebra", "number_theory", "counting_and_probability", "geometry",
        "precalculus",
    )  # fmt: skip
    presets = make_presets(4)

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Leave out what makes sense only with its options."""
        if row["multiple_choice_only"]:
            return None
        return Problem(row["problem"], row["answer_text"], row["level"], row["subject"])


DATASETS: tuple[type[MathDataset], ...] = (
    MATH, MATH500, AIME24, AIME25, AMC, AMC23, GSM8K, AQuA, OlympiadBench, MinervaMath, HARP,
)  # fmt: skip


IDS = "sec/math_train_ids"  # of what SEC trains on


def current(path: str) -> DataFolder:
    """Return a folder with the stamps of its files, by which what was read of others is not taken for them."""
    if path == HUB:
        return DataFolder(path, ())
    names = {name for kind in DATASETS for name in kind.files.values()} | {IDS}
    found = (find_file(Path(path), name) for name in sorted(names))
    return DataFolder(path, stamped(file for file in found if file is not None))


@lru_cache
def select(
    kind: type[MathDataset],
    folder: DataFolder,
    split: str,
    level: int,
    partition: str = "official",
    subject: str | None = None,
    function: str | None = None,
    part: str | None = None,
) -> tuple[Problem, ...]:
    """Return the problems of one split, level, subject and part, in the order of the file."""
    if subject is not None and subject not in kind.subjects:
        raise ValueError(unknown("subject", subject, kind.subjects))
    return tuple(
        problem
        for problem in read_partition(kind, folder, split, partition)
        if problem.level == level and matches(problem, subject, function, part)
    )


@lru_cache
def read_partition(
    kind: type[MathDataset], folder: DataFolder, split: str, partition: str
) -> tuple[Problem, ...]:
    """Return the problems of one split, those for training without what is in a test set."""
    found = PARTITIONS[partition].read(kind, folder, split)
    if split != "train":
        return found
    known = known_texts(folder, frozenset(PARTITIONS[partition].spoiled))
    return tuple(problem for problem in found if normalise(problem.text) not in known)


@lru_cache
def read_split(kind: type[MathDataset], folder: DataFolder, split: str) -> tuple[Problem, ...]:
    """Return the problems of one split, none if the data set has no such split."""
    if split not in kind.files:
        return ()
    if folder.path != HUB:
        return read_file(kind, needed_file(kind.name, folder.path, kind.files[split]))
    source = source_of(kind.name, split)
    return distinct(
        convert_rows(rows_of(source), lambda row: check_problem(kind.read_row(source.read(row))))
    )


def read_file(
    kind: type[MathDataset], path: Path, wanted: Container[str] | None = None
) -> tuple[Problem, ...]:
    """Return the problems of a file, by default all; DataError for a row not in its layout."""

    def read(row: Row) -> Problem | None:
        left_out = wanted is not None and str(row["id"]) not in wanted
        return None if left_out else check_problem(kind.read_row(row))

    return distinct(convert_rows(read_rows(path), read))


@lru_cache
def known_texts(folder: DataFolder, spoiled: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the normalised texts of all test problems in `folder`, except those of the `spoiled` sets."""
    return frozenset(
        normalise(problem.text)
        for kind in DATASETS
        if kind.name not in spoiled
        if (
            kind.name in SOURCES
            if folder.path == HUB
            else find_file(Path(folder.path), kind.files["test"])
        )
        for problem in read_split(kind, folder, "test")
    )


@dataclass(frozen=True)
class Partition:
    """A division of MATH into training and test problems."""

    read: Callable[[type[MathDataset], DataFolder, str], tuple[Problem, ...]]
    spoiled: tuple[str, ...] = ()  # by training on it: the sets that may not be evaluated after


def read_sec(kind: type[MathDataset], folder: DataFolder, split: str) -> tuple[Problem, ...]:
    """Return for training all of MATH but what SEC keeps out, and for test MATH500."""
    if split != "train":
        return read_split(MATH500, folder, split)
    path = needed_file("MATH-v0 with partition 'sec'", folder.path, IDS)
    wanted = frozenset(convert_rows(read_rows(path), lambda row: str(row["math_id"])))
    paths = [needed_file(kind.name, folder.path, kind.files[half]) for half in ("train", "test")]
    return distinct(problem for path in paths for problem in read_file(kind, path, wanted))


def read_soar(kind: type[MathDataset], folder: DataFolder, split: str) -> tuple[Problem, ...]:
    """Return one half, by content, of the test problems of MATH, for training or for test."""
    wanted = {"train": "validation", "test": "test"}.get(split)
    return tuple(
        problem
        for problem in read_split(kind, folder, "test")
        if split_of_key(normalise(problem.text), 50) == wanted
    )


PARTITIONS: Mapping[str, Partition] = {
    "official": Partition(read_split),
    "sec": Partition(read_sec, spoiled=("MATH-v0",)),
    "soar": Partition(read_soar, spoiled=("MATH-v0", "MATH500-v0")),
}
