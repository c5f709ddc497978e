"""What stands around a task's text when a model is asked: system text, chat, how it begins.

Templates of texts may be formatted if they name nothing but what the task fills in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from string import Formatter

Message = dict[str, str]  # {"role": ..., "content": ...}
Render = Callable[[list[Message]], str]  # makes text of a chat, as a tokenizer's template does
SAID = "(what-was-said)"  # in place of what an assistant said, to find what follows it


@dataclass(frozen=True)
class Frame:
    """The words of a paper around a task's text, and where an answer ends.

    A frame that is not a chat is `before` + text + `after`. A chat has a system and a user message,
    and an assistant's that begins with `after` and is left open.

    Example:
        >>> Frame(before="Q: ", after=" A:").text("1 + 1?")
        'Q: 1 + 1? A:'
        >>> print(Frame(before="Be brief.", after="So", chat=True).text("1 + 1?"))
        <|im_start|>system
        Be brief.<|im_end|>
        <|im_start|>user
        1 + 1?<|im_end|>
        <|im_start|>assistant
        So
    """

    before: str = ""  # system message of a chat; else what precedes the text
    after: str = ""  # what the model is made to begin with; else what follows the text
    chat: bool = False
    opening: str = ""  # the end of `after` that counts as part of the completion
    stop: tuple[str, ...] = ()  # a completion ends with the first of these, which it keeps
    max_prompt_tokens: int = 1024
    max_completion_tokens: int = 1024

    def __post_init__(self) -> None:
        """Check that the opening is what `after` ends with."""
        object.__setattr__(self, "stop", tuple(self.stop))  # JSON makes a list of it
        if not self.after.endswith(self.opening):
            raise ValueError(f"`opening` must be the end of {self.after!r}, got {self.opening!r}")

    def messages(self, prompt: str) -> list[Message]:
        """Return the messages of a chat for the task's text, `prompt`; the last, if `after` is not empty, is to be continued."""
        system = [{"role": "system", "content": self.before}] if self.before else []
        begun = [{"role": "assistant", "content": self.after}] if self.after else []
        return [*system, {"role": "user", "content": prompt}, *begun]

    def text(self, prompt: str, render: Render | None = None) -> str:
        """Return `prompt` in its frame; a chat by `render`, or in ChatML, the Qwen models' markup."""
        if not self.chat:
            return f"{self.before}{prompt}{self.after}"
        if render is not None:
            return render(self.messages(prompt))
        return chatml(self.messages(prompt)[: -1 if self.after else None]) + self.after

    def further(self, observation: str, render: Render | None = None) -> str:
        """Return an observation as it follows a completion: in a chat, as the next message of the user.

        It then begins with what ends the message before it, which a policy leaves out where the model
        wrote that itself.

        Raises:
            ValueError: If `render` leaves out what the assistant said before.
        """
        if not self.chat:
            return observation
        chat = [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": SAID},
            {"role": "user", "content": observation},
        ]
        text = chatml(chat) if render is None else render(chat)
        _, found, rest = text.partition(SAID)
        if not found:
            raise ValueError(
                "`render` must keep what was said before, for episodes of several turns"
            )
        return rest


def chatml(messages: list[Message]) -> str:
    """Return messages in ChatML, and the beginning of the assistant's next."""
    parts = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(parts) + "<|im_start|>assistant\n"


SEC_FRAME = Frame(  # of all tasks of SEC, arXiv 2505.14970
    before=(
        "A conversation between User and Assistant. The user asks a question, and the Assistant "
        "solves it. The assistant first thinks about the reasoning process in the mind and then "
        "provides the user with the answer.\nUser: "
    ),
    after="\nAssistant: Let me solve this step by step.",
    max_completion_tokens=4096,
)
E2H_FRAME = Frame(  # of all tasks of E2H, arXiv 2506.06632, but Blocksworld says "first think"
    before=(
        "You are a helpful assistant. You first thinks about the reasoning process in the mind and "
        "then provides the user with the answer.\n"
    ),
    after="Let me solve this step by step.\n<think>",
    chat=True,
    opening="<think>",
    stop=("</answer>",),
    max_prompt_tokens=1000,
    max_completion_tokens=512,
)
SOAR_FRAME = Frame(
    before=(
        "A conversation between User and Assistant. The user asks a question, and the Assistant "
        "solves it. The assistant first shows the complete reasoning process step by step, then "
        r"provides the final answer in \boxed{}. The assistant must always follow the format: "
        r"'User: [question] Assistant: [detailed reasoning] The final answer is: \boxed{[answer]}."
        "\n\nUser: "
    ),
    after=" Assistant:",
)


def check_template(template: str, placeholders: Collection[str]) -> None:
    r"""Check that `template` has no fields but plain ones, such as {target}.

    Attributes and items of a field, conversions and widths would evaluate what the template says.

    >>> check_template("Make {target}.", ["numbers", "target"])
    >>> check_template("{target.__class__}", ["target"])
    Traceback (most recent call last):
    ValueError: `template` may name {target} and nothing else, got '{target.__class__}'

    Args:
        template: As `str.format` takes it.
        placeholders: The names of the fields that are filled in.

    Raises:
        ValueError: If it names anything else, or a brace is single.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(
            f"`template` must have braces in pairs, or doubled, got {template[:100]!r}: {error}"
        ) from error
    for _, name, form, conversion in parts:
        if name is not None and (name not in placeholders or form or conversion):
            known = ", ".join(f"{{{each}}}" for each in sorted(placeholders)) or "no field"
            whole = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise ValueError(
                f"`template` may name {known} and nothing else, got {'{' + whole[:80] + '}'!r}"
            )


def placeholders_of(template: str) -> set[str]:
    """Return the names of the fields of a template of our own."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}
