"""Which templates may be formatted: those that name nothing but what the task fills in."""

from __future__ import annotations

from collections.abc import Collection
from string import Formatter


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
