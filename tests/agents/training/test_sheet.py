"""A table of Markdown has as many lines and columns as it was given, whatever stands in its cells."""

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.agents.training.sheet import Sheet

PIPE = re.compile(r"(?<!\\)\|")
TEXTS = st.text(alphabet="|\n\r\u2028\\x <&", max_size=6)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
def test_no_cell_begins_a_column_or_a_line(rows):
    text = "\n".join(Sheet("", ["a", "b"], rows).markdown())
    lines = text.splitlines()
    assert len(lines) == 2 + len(rows)
    assert {len(PIPE.findall(line)) for line in lines} == {3}
    assert "<" not in text
