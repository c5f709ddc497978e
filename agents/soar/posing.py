r"""Sample problems from a teacher until enough are well formed.

Prompt and filter of SOAR, arXiv 2601.18778. Its Proposition 1: with z drawn from the policy
restricted to what the filter accepts, and advantages that sum to 0 as RLOO's do,

    sum_i A_i grad log pi(z_i | accepted) = sum_i A_i grad log pi(z_i),

since log pi(z | accepted) = log pi(z) - log P(accepted) and the last term, the same for all, is
multiplied by sum_i A_i. So what is rejected needs no penalty, and is drawn again.

Where the paper leaves a choice:
    - Its prompt shows a second <question> in place of a closing tag, while its filter asks for
      closing tags: the prompt is as printed, and what is read ends with either.
    - Of several questions or answers in one completion the first question and the last box count.
    - How long a question may be is not said: 4,000 characters here.
    - Only as many are asked for as are missing, so nothing that is accepted is thrown away.
    - How often it may try is not said: `max_attempts` completions in all.
    - The words of its teacher of two turns, a question and then the answer, are not printed: ours.
      Nothing is filtered there; what is missing is replaced by a mark, so no student gets it right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewise.agents.soar.pairs import Pair
from edgewise.answer import extract_answer
from edgewise.grading import readable_many
from edgewise.number import read_exact

MAX_QUESTION = 4_000  # characters
MAX_ANSWER = 200
TAGGED_PROMPT = r"""You are generating a new math problem for a math assistant.
Allowed topics: Algebra, Counting and Probability, Geometry, Intermediate Algebra, Number Theory, Prealgebra, or Precalculus.
Output rules (follow EXACTLY):
- Provide the final formatted problem in this structure: <question>[full math question] <question> <answer> \boxed{[answer]} </answer>
- Any explanations, steps, or reasoning about the problem goes OUTSIDE the <question> and <answer> tags.
Constraints:
- The problem must be original, challenging, and require at least 2--3 steps of reasoning.
- Output exactly ONE problem. You MUST follow the specified format EXACTLY.
Begin now:
"""
TAGS = ("<question>", "</question>", "<answer>", "</answer>")
COMPACT_PROMPT = "pose:"
COMPACT_MARK = "?"  # after the question
QUESTION_PROMPT = """You are generating a new math problem for a math assistant.
Allowed topics: Algebra, Counting and Probability, Geometry, Intermediate Algebra, Number Theory, Prealgebra, or Precalculus.
The problem must be original and challenging, and require at least 2--3 steps of reasoning.
Write the full question of exactly ONE problem, and neither a solution nor anything else.
Begin now:
"""
ANSWER_PROMPT = "\nNow solve this problem step by step, and give the final answer in \\boxed{}.\n"
COMPACT_ANSWER = " "  # all that a seedling needs to go on
NOTHING = "(nothing)"  # in place of a question or an answer


@dataclass(frozen=True)
class Rejected:
    """Why a completion is no problem."""

    reason: str


def read_tagged(text: str) -> Pair | Rejected:
    r"""Read <question>...</question> and <answer> \boxed{...} </answer>.

    Either may end with its opening tag again, as the prompt has it.

    >>> read_tagged(r"<question>1+1?</question> Easy. <answer> \boxed{2} </answer>")
    Pair(question='1+1?', answer='2', step=-1, dataset=-1, reward=None)
    >>> read_tagged(r"<question>1+2? <question> <answer> \boxed{3} </answer>").answer
    '3'
    >>> read_tagged(r"<question>1+1? <answer>\boxed{2}</answer>")
    Rejected(reason='no question')
    """
    question, answer = between(text, "question"), between(text, "answer")
    if not question:
        return Rejected("no question")
    if answer is None:
        return Rejected("no answer")
    return boxed(question, answer)


def read_compact(text: str) -> Pair | Rejected:
    r"""Read the notation of the seedlings: a question, "?", any working, and the boxed answer.

    >>> read_compact(r"2+3?2+3=5,\boxed{5}")
    Pair(question='2+3', answer='5', step=-1, dataset=-1, reward=None)
    """
    question, mark, rest = text.partition(COMPACT_MARK)
    if not mark or not question.strip():
        return Rejected("no question")
    return boxed(question.strip(), rest)


def read_turns(text: str, then: str, mark: str = "") -> Pair:
    r"""Read a question with its mark and, after `then`, its answer; rejects nothing.

    >>> read_turns(r"1+1? How many? I say \boxed{2}", " How many? ", mark="?")
    Pair(question='1+1', answer='2', step=-1, dataset=-1, reward=None)
    """
    question, _, rest = text.partition(mark + then)
    question, answer = question.strip(), extract_answer(rest, "boxed") or ""
    return Pair(question[:MAX_QUESTION] or NOTHING, answer[:MAX_ANSWER] or NOTHING)


def boxed(question: str, text: str) -> Pair | Rejected:
    """Return the pair of `question` and the last boxed answer in `text`."""
    answer = extract_answer(text, "boxed")
    if not answer:
        return Rejected("no box")
    if len(question) > MAX_QUESTION or len(answer) > MAX_ANSWER:
        return Rejected("too long")
    return Pair(question, answer)


def between(text: str, tag: str) -> str | None:
    """Return the text of the first `tag`, stripped; None without one.

    That is the closing one or, unless another tag of the prompt comes before, the opening one again.
    """
    _, found, rest = text.partition(f"<{tag}>")
    inside, again, _ = rest.partition(f"<{tag}>")
    if again and not any(mark in inside for mark in TAGS):
        return inside.strip()
    inside, closed, _ = rest.partition(f"</{tag}>")
    return inside.strip() if found and closed else None


def accept_all(answers: Sequence[str]) -> list[bool]:
    """Return that all answers are accepted."""
    return [True] * len(answers)


def readable_numbers(answers: Sequence[str]) -> list[bool]:
    """Return which answers are exact numbers."""
    return [read_exact(answer) is not None for answer in answers]


@dataclass(frozen=True)
class Format:
    """A prompt of the teacher, and the parser and filter of its replies."""

    prompt: str
    read: Callable[[str], Pair | Rejected]
    readable: Callable[[Sequence[str]], list[bool]]  # which answers can be verified
    then: str = ""  # the message to a teacher of two turns between them
    stop: tuple[str, ...] = ()  # of the first turn


FORMATS = {
    "tagged": Format(TAGGED_PROMPT, read_tagged, readable_many),  # of SOAR
    "compact": Format(COMPACT_PROMPT, read_compact, readable_numbers),  # of the seedlings
    "tagged-turns": Format(
        QUESTION_PROMPT,
        lambda text: read_turns(text, ANSWER_PROMPT),
        accept_all,
        then=ANSWER_PROMPT,
    ),
    "compact-turns": Format(
        COMPACT_PROMPT,
        lambda text: read_turns(text, COMPACT_ANSWER, COMPACT_MARK),
        accept_all,
        then=COMPACT_ANSWER,
        stop=(COMPACT_MARK,),
    ),
}


@dataclass(frozen=True)
class Posed:
    """The accepted pairs of a teacher, and counts of the rejected ones."""

    pairs: list[Pair]
    places: list[int]  # of the pairs, among all attempts
    num_attempts: int
    rejected: dict[str, int]  # how often, by reason

    @property
    def accepted_ratio(self) -> float:
        """Return the share of attempts that were accepted."""
        return len(self.pairs) / max(self.num_attempts, 1)


class TooFewProblems(Exception):
    """A teacher did not write enough problems within its attempts."""

    def __init__(self, posed: Posed, wanted: int) -> None:
        """Say how many it wrote, and why the others were rejected."""
        self.posed = posed
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(posed.rejected.items()))
        super().__init__(
            f"the teacher wrote {len(posed.pairs)} of {wanted} problems in {posed.num_attempts} "
            f"attempts; rejected: {reasons}"
        )


def gather_problems(
    ask: Callable[[int], Sequence[str]], form: Format, count: int, max_attempts: int
) -> Posed:
    """Sample until `count` problems are well formed.

    Args:
        ask: Samples as many completions of the teacher as asked.
        form: Says which are accepted.
        count: How many are wanted, at least 1.
        max_attempts: Completions in all, at most.

    Raises:
        TooFewProblems: If that many attempts were not enough.
    """
    posed = Posed([], [], 0, {})
    while len(posed.pairs) < count:
        number = min(count - len(posed.pairs), max_attempts - posed.num_attempts)
        if number <= 0:
            raise TooFewProblems(posed, count)
        posed = joined(posed, ask(number), form)
    return posed


def joined(posed: Posed, texts: Sequence[str], form: Format) -> Posed:
    """Return `posed` with the accepted pairs of further attempts."""
    read = [form.read(text) for text in texts]
    places = [place for place, found in enumerate(read) if isinstance(found, Pair)]
    pairs = [found for found in read if isinstance(found, Pair)]
    reasons = Counter(found.reason for found in read if isinstance(found, Rejected))
    verdicts = form.readable([pair.answer for pair in pairs])
    unreadable = verdicts.count(False)
    rejected = Counter(posed.rejected) + reasons + Counter({"unreadable answer": unreadable})
    kept = [place for place, verdict in enumerate(verdicts) if verdict]
    return Posed(
        [*posed.pairs, *(pairs[place] for place in kept)],
        [*posed.places, *(posed.num_attempts + places[place] for place in kept)],
        posed.num_attempts + len(texts),
        dict(rejected),
    )
