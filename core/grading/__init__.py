"""Grade mathematical answers: each text is read as one typed value, and compared within its type."""

from edgewise.grading.grade import (
    anticipate,
    equivalent,
    equivalent_many,
    graded_by,
    read_number,
    readable_many,
)

__all__ = [
    "anticipate",
    "equivalent",
    "equivalent_many",
    "graded_by",
    "read_number",
    "readable_many",
]
