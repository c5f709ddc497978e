"""Evaluate any agent on the suites of the papers, and compare agents problem by problem.

Names are imported when they are first used; none of them needs torch. `edgewise eval` does the same from
the command line, and goes on where it was stopped.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import lazily

if TYPE_CHECKING:
    from edgewise.benchmarks.evaluation.agent import Agent, Reply, Request, ScriptAgent
    from edgewise.benchmarks.evaluation.answers import EvaluationFolder
    from edgewise.benchmarks.evaluation.paired import compare
    from edgewise.benchmarks.evaluation.question import Question, checksum, open_part
    from edgewise.benchmarks.evaluation.run import evaluate
    from edgewise.benchmarks.evaluation.suite import SUITES
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Agent": "edgewise.benchmarks.evaluation.agent",
            "EvaluationFolder": "edgewise.benchmarks.evaluation.answers",
            "Question": "edgewise.benchmarks.evaluation.question",
            "Reply": "edgewise.benchmarks.evaluation.agent",
            "Request": "edgewise.benchmarks.evaluation.agent",
            "SUITES": "edgewise.benchmarks.evaluation.suite",
            "ScriptAgent": "edgewise.benchmarks.evaluation.agent",
            "checksum": "edgewise.benchmarks.evaluation.question",
            "compare": "edgewise.benchmarks.evaluation.paired",
            "evaluate": "edgewise.benchmarks.evaluation.run",
            "open_part": "edgewise.benchmarks.evaluation.question",
        },
        extra="train",
    )

__all__ = [
    "SUITES",
    "Agent",
    "EvaluationFolder",
    "Question",
    "Reply",
    "Request",
    "ScriptAgent",
    "checksum",
    "compare",
    "evaluate",
    "open_part",
]
