"""An episode of several turns, as a server is asked to go on with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewise.benchmarks.evaluation.agent import Reply
from edgewise.benchmarks.evaluation.question import Question
from edgewise.outcome import Outcome

Message = dict[str, str]


@dataclass
class Dialogue:
    """What was said and observed so far.

    Example:
        >>> from edgewise.benchmarks.evaluation import open_part
        >>> from edgewise.benchmarks.evaluation.suite import turns
        >>> part = turns("Countdown-v0", "sec", attempts=2)
        >>> dialogue = Dialogue(open_part(part, num_problems=1, turns=True).questions[0])
        >>> dialogue.add(Reply(dialogue.question, 0, "I do not know"))
        >>> [message["role"] for message in dialogue.messages()], dialogue.done
        (['user', 'assistant', 'user'], False)
    """

    question: Question
    replies: list[Reply] = field(default_factory=list)
    history: list[Outcome] = field(default_factory=list)  # what each reply led to

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return bool(self.history) and self.history[-1].done

    @property
    def opening(self) -> str:
        """What the frame opens, and the next text of a completion goes on with."""
        return "" if self.replies else self.question.frame.opening

    def add(self, reply: Reply) -> None:
        """Play the next turn."""
        env, problem = self.question.env, self.question.problem
        self.replies.append(reply)
        self.history += env.score([problem], [self.history], [reply.text])

    def messages(self) -> list[Message]:
        """Return the messages of a chat, of which the last is to be answered.

        A result of a tool is a message of the user too, for servers end what the model said.
        """
        frame = self.question.frame
        found = [{"role": "system", "content": frame.before}] if frame.chat and frame.before else []
        found.append({"role": "user", "content": self.question.prompt})
        for reply, outcome in zip(self.replies, self.history, strict=True):
            found.append({"role": "assistant", "content": reply.text})
            found.append({"role": "user", "content": outcome.observation})
        return found

    def text(self) -> str:
        """Return the whole text that a completion goes on with."""
        frame = self.question.frame
        said = frame.text(self.question.prompt)
        for reply, outcome in zip(self.replies, self.history, strict=True):
            told = outcome.observation if outcome.said else frame.further(outcome.observation)
            opening = frame.opening if reply is self.replies[0] else ""
            said += reply.text.removeprefix(opening) + told
        return said

    def reply(self, sample: int) -> Reply:
        """Return the whole episode as one reply, with what all turns took together."""
        counts = [
            None if None in found else sum(filter(None, found))
            for found in (
                [one.num_tokens for one in self.replies],
                [one.num_prompt_tokens for one in self.replies],
            )
        ]
        return Reply.of_turns(
            self.question,
            sample,
            [one.text for one in self.replies],
            ended=self.replies[-1].ended,
            num_tokens=counts[0],
            num_prompt_tokens=counts[1],
            seconds=sum(one.seconds for one in self.replies),
        )
