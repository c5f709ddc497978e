r"""Mathematical data sets: MATH, GSM8K, AQuA, AIME, AMC, HARP, OlympiadBench and Minerva Math.

Presets "sec" of Chen et al. (2025), arXiv 2505.14970, and "e2h" of Parashar et al. (2025), arXiv
2506.06632. Nothing is packaged: see `MathDataset` for where the files are looked for.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from edgewise.answer import extract_answer
from edgewise.equivalence import equivalent_many
from edgewise.errors import unknown
from edgewise.frame import E2H_FRAME, SEC_FRAME
from edgewise.problem_set import ProblemSet
from edgewise.task import Preset, Protocol

Row = Mapping[str, Any]
UNIT = re.compile(r"\s+|\\[,;!: ]|[$.]")
PROSE = re.compile(r"(?:(?<![\\a-zA-Z])[a-zA-Z]{2,20}[^a-zA-Z\\]{1,20}){6}")
SUBJECTS = (
    "Prealgebra", "Algebra", "Number Theory", "Counting & Probability", "Geometry",
    "Intermediate Algebra", "Precalculus",
)  # fmt: skip
OPENING = (
    "Solve the following math problem\n{problem}\n\n Show your work in <think> </think> tags. "
)
CHOICE = "Solve the following math problem and choose an answer from the given options\n"
TEMPLATES = {
    "boxed": "{problem}\nPut the final answer in \\boxed{{}}.",
    "letter": "{problem}\nPut the letter of the right option in \\boxed{{}}.",
    "e2h_math": OPENING
    + "And return the final answer in \\boxed{{}}, wrapped in <answer> </answer> "
    "tags, for example <answer>\\boxed{{500}}</answer>.",
    "e2h_gsm8k": OPENING + "And return the final answer in <answer> </answer> tags, for example "
    "<answer> 500 </answer>.",
    "e2h_aqua": CHOICE
    + "{problem}\n\n Show your work in <think> </think> tags. And return the final "
    "answer in <answer> </answer> tags, for example <answer> C </answer>.",
}


@dataclass(frozen=True)
class Problem:
    """A question with its gold answer."""

    text: str
    answer: str
    level: int = 1
    subject: str = ""


def make_presets(num_levels: int, ood: tuple[int, ...] = (), e2h: str = "") -> dict[str, Preset]:
    """Return "sec" and, if there is a template of it, "e2h"."""
    levels = {level: {"level": level} for level in range(1, num_levels + 1)}
    letter = "letter" if e2h == "e2h_aqua" else "boxed"
    presets = {"sec": Preset(TEMPLATES[letter], levels, answer="boxed", frame=SEC_FRAME)}
    if e2h:
        presets["e2h"] = Preset(
            TEMPLATES[e2h],
            levels,
            ood=ood,
            rewards=(1.0, 0.1, 0.0),
            answer="think_answer",
            frame=E2H_FRAME,
            protocol=Protocol(temperature=0.0, num_samples=1),
        )
    return presets


@dataclass(frozen=True)
class MathDataset(ProblemSet[Problem]):
    """Answer a question of a mathematical data set.

    The files are looked for in `data`, by default the folder that EDGEWISE_DATA names, as JSON lines,
    plain or in gzip. A training row whose text is that of a test row of any data set there is left
    out. Answers are compared for mathematical equivalence.
    """

    data: str | None = None

    name: ClassVar[str]  # of the environment
    files: ClassVar[Mapping[str, str]]  # of each split, without the ending
    subjects: ClassVar[Sequence[str]] = ()
    presets = make_presets(1)

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Return the problem of a row; None if it is left out."""
        return Problem(row["problem"], row["answer"], subject=row.get("subject") or "")

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems of one split with `level`, and with `subject` if it is given."""
        return select(type(self), data_folder(self.data), split, **params)

    def prompt(self, problem: Problem, template: str) -> str:
        """State the question and the answer format."""
        return template.format(problem=problem.text)

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` means the same as the gold answer."""
        return self.verify_many([problem], [answer])[0]

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[bool]:
        """Return `verify` of each pair, all at once."""
        golds = [problem.answer for problem in problems]
        given = [
            unwrap(answer) if is_terse(answer) or not is_terse(gold) else ""
            for gold, answer in zip(golds, answers, strict=True)
        ]
        return equivalent_many(golds, given)

    def solve(self, problem: Problem) -> str:
        """Return the gold answer."""
        return problem.answer

    def canonical(self, problem: Problem) -> str:
        """Forget spaces and the like."""
        return normalise(problem.text)

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return one part for each subject."""
        if kind != "subject" or not self.subjects:
            parts = "None, a list or 'subject'" if self.subjects else "None or a list"
            raise ValueError(f"`arms` must be {parts} for {self.name}, got {kind!r}")
        return [{"subject": subject} for subject in self.subjects]


class MATH(MathDataset):
    """Solve a competition problem of MATH (Hendrycks et al., 2021), levels 1 to 5, 7 subjects."""

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


class MATH500(MATH):
    """Solve a problem of the 500 of MATH that are most used for evaluation."""

    name = "MATH500-v0"
    files = {"test": "math/math500"}
    presets = make_presets(5, e2h="e2h_math")


class AIME24(MathDataset):
    """Solve a problem of AIME 2024."""

    name = "AIME24-v0"
    files = {"test": "aime24/aime24"}


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
    presets = make_presets(1, e2h="e2h_aqua")

    @staticmethod
    def read_row(row: Row) -> Problem | None:
        """Write the options below the question."""
        options = [f"{letter}) {text}" for letter, text in row["options"].items()]
        return Problem("\n".join([row["problem"], *options]), row["answer"])

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is the letter, as in C, (c) or C)."""
        return unwrap(answer[:100]).strip(" ().").upper() == problem.answer

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[bool]:
        """Return `verify` of each pair."""
        return [self.verify(*pair) for pair in zip(problems, answers, strict=True)]

    def num_answers(self, problem: Problem) -> int | None:
        """Return how many options there are."""
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
    MATH, MATH500, AIME24, AMC, AMC23, GSM8K, AQuA, OlympiadBench, MinervaMath, HARP,
)  # fmt: skip


def unwrap(answer: str) -> str:
    r"""Return what is in \boxed{}, which E2H asks for within <answer>, or all."""
    boxed = extract_answer(answer, "boxed")
    return answer if boxed is None else boxed


def is_terse(answer: str) -> bool:
    """Return whether `answer` has no six words on end, among which any number could hide.

    >>> is_terse("15 square feet"), is_terse("It may be 3, but then it may also be 4, I think")
    (True, False)
    """
    return PROSE.search(answer) is None


def normalise(text: str) -> str:
    """Return `text` without what copies of a data set differ in.

    >>> normalise("Find  $x$.") == normalise("find x")
    True
    """
    return UNIT.sub("", text).lower()


def data_folder(data: str | None) -> Path:
    """Return the folder of the files."""
    return Path(data or os.environ.get("EDGEWISE_DATA", "."))


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file of this name, plain or in gzip; None if there is none."""
    paths = (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz")
    return next((path for path in paths if path.is_file()), None)


@lru_cache
def select(
    kind: type[MathDataset], folder: Path, split: str, level: int, subject: str | None = None
) -> tuple[Problem, ...]:
    """Return the problems of one split, level and subject, in the order of the file."""
    if subject is not None and subject not in kind.subjects:
        raise ValueError(unknown("subject", subject, kind.subjects))
    found = read_split(kind, folder, split)
    if split == "train":
        known = known_texts(folder)
        found = tuple(problem for problem in found if normalise(problem.text) not in known)
    return tuple(
        problem
        for problem in found
        if problem.level == level and subject in (None, problem.subject)
    )


@lru_cache
def read_split(kind: type[MathDataset], folder: Path, split: str) -> tuple[Problem, ...]:
    """Return the problems of one split, none if the data set has no such split."""
    if split not in kind.files:
        return ()
    path = find_file(folder, kind.files[split])
    if path is None:
        raise FileNotFoundError(
            f"{kind.name} needs {kind.files[split]}.jsonl or .jsonl.gz, and {folder} has none: pass "
            f"`data`, or set EDGEWISE_DATA, to a folder that has it"
        )
    return read_file(path, kind.read_row)


def read_file(path: Path, read_row: Callable[[Row], Problem | None]) -> tuple[Problem, ...]:
    """Return the problems of a file, the first of equal texts."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as lines
    ):
        problems = [read_row(json.loads(line)) for line in lines]
    distinct: dict[str, Problem] = {}
    for problem in problems:
        if problem is not None:
            distinct.setdefault(normalise(problem.text), problem)
    return tuple(distinct.values())


@lru_cache
def known_texts(folder: Path) -> frozenset[str]:
    """Return the normalised texts of all test problems in `folder`."""
    return frozenset(
        normalise(problem.text)
        for kind in DATASETS
        if find_file(folder, kind.files["test"]) is not None
        for problem in read_split(kind, folder, "test")
    )
