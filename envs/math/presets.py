r"""The ladders of the mathematical data sets.

Prompts and rewards of Chen et al. (2025), arXiv 2505.14970, and Parashar et al. (2025), arXiv
2506.06632.
"""

from __future__ import annotations

from edgewise.frame import E2H_FRAME, SEC_FRAME
from edgewise.task import Preset, Protocol

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


def make_presets(
    num_levels: int, ood: tuple[int, ...] = (), e2h: str = "", template: str = "boxed"
) -> dict[str, Preset]:
    """Return "sec" and, if there is a template of it, "e2h"."""
    levels = {level: {"level": level} for level in range(1, num_levels + 1)}
    presets = {"sec": Preset(TEMPLATES[template], levels, answer="boxed", frame=SEC_FRAME)}
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
