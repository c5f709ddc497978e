"""Tools: what a completion may ask for, which is calculated here and observed next.

Nothing of a call is executed: it is found by its tags, bounded, parsed by hand and computed exactly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pkgutil import resolve_name
from typing import Any, ClassVar, Literal, NamedTuple

from edgewise.answer import extract_answer
from edgewise.errors import unknown
from edgewise.fields import build
from edgewise.json_text import parse_json
from edgewise.outcome import History, Outcome

Style = Literal["tags", "json"]
MAX_CALL = 2_000  # characters of a call in JSON
MAX_SEARCHED = 100_000  # characters at the end of a completion in which calls are found
NOT_RUN = "not run, at most {} calls"


class Tool(ABC):
    """What can be asked by name with one text; a frozen dataclass whose fields are its limits.

    Example:
        >>> @dataclass(frozen=True)
        ... class Length(Tool):
        ...     name, parameter, about = "length", "text", "counts characters"
        ...
        ...     def run(self, text):
        ...         return str(len(text))
        >>> Length().run("four")
        '4'
    """

    name: ClassVar[str]  # letters, digits and _
    parameter: ClassVar[str]  # of its one argument, in JSON
    about: ClassVar[str]  # what it does, for the prompt

    @abstractmethod
    def run(self, text: str) -> str:
        """Return the result of a call, in a line; never raise, and do bounded work, whatever the text.

        The result must not repeat the text: it is not the model's.
        """


BUILT_IN = {"calculator": "edgewise.calculator:Calculator"}  # imported when asked for
TOOLS: dict[str, type[Tool]] = {}  # by name, as they were registered


def register_tool(kind: type[Tool]) -> type[Tool]:
    """Let environments and names of problems have a tool by its `name`; usable as a decorator.

    Raises:
        ValueError: If another tool has the name, or it is none of letters, digits and _.
    """
    if not kind.name.isidentifier() or kind.name in ("tool_call", "answer", "think", "result"):
        raise ValueError(f"`name` of a tool must be letters, digits and _, got {kind.name!r}")
    if TOOLS.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"`name` must be of no other tool, got {kind.name!r}")
    return kind


class Call(NamedTuple):
    """A call in a text."""

    tool: Tool | None  # None if it is not well formed
    text: str
    end: int  # where it ends, a slice index


@dataclass(frozen=True)
class ToolRules:
    """Which tools there are, how they are called, and how often.

    A completion whose last call has no answer after it is no answer: the calls are run, in order, and
    the results are observed. Calls before an answer are not run. Once an episode has had all its
    calls, a further one ends it as truncated.

    Example:
        >>> from edgewise.calculator import Calculator
        >>> rules = ToolRules((Calculator(),))
        >>> rules.reply((), "", "<calculator>2/3 + 1</calculator>", 0.0).observation
        '<result>5/3</result>'
    """

    tools: tuple[Tool, ...]
    style: Style = (
        "tags"  # <calculator>1 + 1</calculator>, or <tool_call>{...}</tool_call>, of Qwen's chats
    )
    max_calls: int = 8  # of an episode
    max_calls_per_turn: int = 4

    def __post_init__(self) -> None:
        """Check the names and the numbers."""
        names = [tool.name for tool in self.tools]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"`tools` must be at least one, each once, got {names}")
        if self.style not in ("tags", "json"):
            raise ValueError(unknown("style", self.style, ("tags", "json")))
        for field in ("max_calls", "max_calls_per_turn"):
            if getattr(self, field) < 1:
                raise ValueError(f"`{field}` must be at least 1, got {getattr(self, field)}")

    def record(self) -> dict[str, Any]:
        """Return the rules for JSON, as `tool_rules` takes them."""
        tools = [{"name": tool.name, **asdict(tool)} for tool in self.tools]  # type: ignore[call-overload]
        return {
            **{k: getattr(self, k) for k in ("style", "max_calls", "max_calls_per_turn")},
            "tools": tools,
        }

    @property
    def stops(self) -> tuple[str, ...]:
        """Return the texts at which a completion ends to be given a result."""
        if self.style == "json":
            return ("</tool_call>",)
        return tuple(f"</{tool.name}>" for tool in self.tools)

    def describe(self) -> str:
        """Return what a prompt says of the tools."""
        told = [f"{tool.name} {tool.about}" for tool in self.tools]
        one = self.tools[0]
        how = f"<{one.name}>{one.parameter}</{one.name}>"
        result = "<result>"
        if self.style == "json":
            how = f'<tool_call>{{"name": "{one.name}", "arguments": {{"{one.parameter}": "..."}}}}</tool_call>'
            result = "<tool_response>"
        return f"\nTools: {'; '.join(told)}. Write {how} and stop; the result follows in {result}."

    def reply(self, history: History, said: str, action: str, neither: float) -> Outcome | None:
        """Return what an action with calls leads to; None if it has none, or an answer after them.

        Args:
            history: What came before.
            said: The text that `action` goes on with.
            action: What the model wrote.
            neither: The reward of no answer, for a call that is one too many.
        """
        first = max(0, len(action) - MAX_SEARCHED)
        calls = list(self.calls_in(action[first:]))
        if not calls or extract_answer(action[first + calls[-1].end :]) is not None:
            return None
        left = self.max_calls - sum(outcome.num_calls for outcome in history)
        if left < 1:
            return Outcome("", neither, True, False, False, None, truncated=True, num_calls=1)
        most = min(left, self.max_calls_per_turn)
        results = [
            run(call) if place < most else NOT_RUN.format(most) for place, call in enumerate(calls)
        ]
        tag = "result" if self.style == "tags" else "tool_response"
        told = "\n".join(f"<{tag}>{result}</{tag}>" for result in results)
        text = f"{said}{action}{told}" if self.style == "tags" else ""
        return Outcome(
            told, 0.0, False, False, False, None, num_calls=min(most, len(calls)), said=text
        )

    def calls_in(self, text: str) -> Iterator[Call]:
        """Yield the calls in `text`, in order, in time linear in its length."""
        if self.style == "json":
            for inside, end in between(text, "tool_call"):
                yield Call(*self.read(inside), end)
            return
        found = [
            Call(tool, inside, end)
            for tool in self.tools
            for inside, end in between(text, tool.name)
        ]
        yield from sorted(found, key=lambda call: call.end)

    def read(self, inside: str) -> tuple[Tool | None, str]:
        """Return the tool and the argument of a call in JSON; None if it is not well formed."""
        try:
            call = parse_json(inside, "call", max_bytes=MAX_CALL, max_depth=3)
        except ValueError:
            return None, ""
        if not isinstance(call, dict) or not isinstance(call.get("arguments"), dict):
            return None, ""
        tool = next((tool for tool in self.tools if tool.name == call.get("name")), None)
        text = None if tool is None else call["arguments"].get(tool.parameter)
        return (tool, text) if isinstance(text, str) else (None, "")


def between(text: str, tag: str) -> Iterator[tuple[str, int]]:
    """Yield what stands between innermost pairs of `tag`, and where each pair ends."""
    opening, closing, place = f"<{tag}>", f"</{tag}>", 0
    while (close := text.find(closing, place)) >= 0:
        start = text.rfind(opening, place, close)
        place = close + len(closing)
        if start >= 0:
            yield text[start + len(opening) : close], place


def run(call: Call) -> str:
    """Return the result of a call."""
    return "this is no call" if call.tool is None else call.tool.run(call.text)


def make_tool(given: Tool | str | Mapping[str, Any]) -> Tool:
    """Return a tool by its name, or by a record with its name and limits.

    Raises:
        ValueError: If there is no such tool, or it has no such limit.
    """
    if isinstance(given, Tool):
        return given
    if not isinstance(given, (str, Mapping)):
        raise ValueError(f"`tools` must be names or objects, got {given!r}")
    record = {"name": given} if isinstance(given, str) else dict(given)
    name = record.pop("name", None)
    if isinstance(name, str) and name in BUILT_IN:
        resolve_name(BUILT_IN[name])
    if not isinstance(name, str) or name not in TOOLS:
        raise ValueError(unknown("tool", name, [*BUILT_IN, *(TOOLS.keys() - BUILT_IN.keys())]))
    return build(TOOLS[name], record, f"tools.{name}")


def tool_rules(given: ToolRules | Mapping[str, Any] | Sequence[Any] | None) -> ToolRules | None:
    """Return rules as a keyword of an environment gives them, None without any.

    Raises:
        ValueError: If there is no such tool or rule.
    """
    if given is None or isinstance(given, ToolRules):
        return given
    record = dict(given) if isinstance(given, Mapping) else {"tools": given}
    tools = record.get("tools")
    if isinstance(tools, str) or not isinstance(tools, Sequence):
        raise ValueError(f"`tools` must be a list, got {tools!r}")
    record["tools"] = tuple(make_tool(tool) for tool in tools)
    return build(ToolRules, record, "tools")


def tool_record(given: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return rules that data gives as an object of JSON with every field.

    Raises:
        ValueError: As `tool_rules`.
    """
    rules = tool_rules(given)
    assert rules is not None
    return rules.record()
