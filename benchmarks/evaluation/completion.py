"""Put an answer into the format of a preset; imports no torch and no SciPy."""

from __future__ import annotations

from edgewise.env import ReasoningEnv


def in_format(env: ReasoningEnv, line: str) -> str:
    """Return a completion of what someone typed: an answer, with or without its format, or the call of a tool."""
    is_call = env.tools is not None and any(True for _ in env.tools.calls_in(line))
    is_whole = is_call or "\\boxed{" in line or "<answer>" in line
    return line if is_whole else completion(env, line, "")


def completion(env: ReasoningEnv, answer: str, opening: str) -> str:
    """Return a completion that gives `answer` in the preset's format, after `opening`."""
    if env.preset.answer in ("any", "boxed"):
        return f"\\boxed{{{answer}}}"
    thought = ".</think>" if "<think>" in opening else "<think>.</think>"
    return f"{thought} <answer>{answer}</answer>"
