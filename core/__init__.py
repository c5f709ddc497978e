"""Reasoning environments with verifiable rewards, and curricula as wrappers of them."""

from edgewise import envs, wrappers
from edgewise.answer import extract_answer
from edgewise.env import ReasoningEnv, evaluation_set
from edgewise.frame import Frame
from edgewise.mixture import Mixture
from edgewise.problem_set import ProblemSet, check_clean
from edgewise.registration import register, register_division
from edgewise.scoring import pose
from edgewise.task import Preset, Protocol, Task, Turn, Unsolvable
from edgewise.text import UnicodeText
from edgewise.vector_env import ReasoningVectorEnv

__all__ = [
    "Frame",
    "Mixture",
    "Preset",
    "ProblemSet",
    "Protocol",
    "ReasoningEnv",
    "ReasoningVectorEnv",
    "Task",
    "Turn",
    "UnicodeText",
    "Unsolvable",
    "check_clean",
    "envs",
    "evaluation_set",
    "extract_answer",
    "pose",
    "register",
    "register_division",
    "wrappers",
]
__version__ = "0.1.0"
