"""Rows of data files: the formats, and what is damaged, each with its place."""

import gzip
import json

import pytest

from edgewise.rows import MAX_LINE, convert_rows, read_rows

ROWS = [{"question": "Where, “there”?", "answer": "1"}, {"question": 'a\n"b"', "answer": "2, 3"}]


def in_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def in_table(rows, separator):
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row.values()] for row in rows]
    return "".join(separator.join(line) + "\n" for line in [list(rows[0]), *quoted])


FORMATS = {
    "rows.jsonl": in_lines(ROWS),
    "rows.txt": in_lines(ROWS),
    "rows.json": json.dumps(ROWS, indent=1),
    "lines.json": in_lines(ROWS),
    "rows.csv": in_table(ROWS, ","),
    "rows.TSV": in_table(ROWS, "\t"),
}


@pytest.fixture
def found(tmp_path):
    def read(name, content, encoding="utf-8"):
        raw = content if isinstance(content, bytes) else content.encode(encoding)
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        rows = list(read_rows(path))
        return [(place.removeprefix(str(path)), row, reason) for place, row, reason in rows]

    return read


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_format_is_read_with_any_mark_line_end_and_blank_lines(found, name, ending, mark):
    text = FORMATS[name]
    assert [row for _, row, _ in found(name + ending, mark + text)] == ROWS
    if "csv" not in name.lower() and "tsv" not in name.lower():  # whose cells keep their line ends
        text = text.replace("\n", "\r\n\r\n")
        assert [row for _, row, _ in found(name + ending, mark + text)] == ROWS


def test_tables_may_have_other_line_ends(found):
    rows = found("rows.csv", "\ufeffquestion,answer\r\n\r\na,1\r\n\r\nb,2\r\n")
    assert rows == [
        (":3", {"question": "a", "answer": "1"}, ""),
        (":5", {"question": "b", "answer": "2"}, ""),
    ]


def test_a_bad_line_has_its_place_and_the_reason_and_the_others_are_read(found):
    lines = [
        '{"a": 1}', '{"a": ', "[" * 100_000, '{"a":' * 100_000, "[1]", "null", '{"a": ' + "9" * 5_000 + "}",
        "x" * (MAX_LINE + 1), "y" * (3 * MAX_LINE), "", '{"a": 2}', "question,answer", "\0", '{"a": 3}',
    ]  # fmt: skip
    rows = found("rows.jsonl", "\n".join(lines))
    assert [(place, row) for place, row, _ in rows if row] == [
        (":1", {"a": 1}), (":11", {"a": 2}), (":14", {"a": 3}),
    ]  # fmt: skip
    reasons = {place: reason for place, row, reason in rows if row is None}
    assert reasons.pop(":2").startswith("is not JSON: ")
    assert reasons[":3"] == reasons[":4"] == "is nested too deeply"
    assert reasons[":5"] == "must be an object with columns, got list"
    assert reasons[":7"].startswith("is not JSON that can be read")
    assert reasons[":8"] == reasons[":9"] == "is longer than 1,000,000 characters"
    assert reasons.keys() == {f":{number}" for number in (3, 4, 5, 6, 7, 8, 9, 12, 13)}


def test_a_bad_row_of_a_table_has_its_line_and_the_reason(found):
    rows = found("rows.csv", 'a,b\n1,2\n3\n"4\n4",5\n6,7,8\n10,11\n')
    assert [(place, row) for place, row, _ in rows if row] == [
        (":2", {"a": "1", "b": "2"}), (":4", {"a": "4\n4", "b": "5"}), (":7", {"a": "10", "b": "11"}),
    ]  # fmt: skip
    reasons = {place: reason for place, row, reason in rows if row is None}
    assert reasons[":3"] == "must have 2 cells, got 1"
    assert reasons[":6"] == "must have 2 cells, got 3"


@pytest.mark.parametrize(
    "cell",
    ['"He said "go" now.\nSo two and two is', '"cut', f'"{"x,y" * 50_000}\n666,666"', '"9"x'],
)
def test_nothing_within_a_faulty_cell_is_read_as_a_row(found, cell):
    with pytest.raises(ValueError, match=r"rows.csv:3: must be a row of a table.*; quote a cell"):
        found("rows.csv", f"a,b\n1,2\n{cell},4\nreal,2\n")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 100, mtime=0)[:-12], "a.jsonl.gz: must be a whole file in gzip"),
        ("b.jsonl.gz", b'{"a": 1}\n', "b.jsonl.gz: must be a whole file in gzip"),
        ("c.json", b'[{"a": 1},\n{"a"', "c.json:2: is not JSON: "),
        ("d.json", b"[" * 100_000, "d.json: must be an array of objects, and is nested too deeply"),
        ("e.csv", b"a,a\n1,2\n", r"e.csv:1: must name the columns, each by a name of its own"),
        ("f.csv", b"a,\n1,2\n", r"f.csv:1: must name the columns, each by a name of its own"),
        ("g.csv", b'"a,b\n', "g.csv:1: must be a row of a table, got unexpected end of data"),
        ("i.csv", "a,b\n1,2\n".encode("utf-16"), "i.csv: must be UTF-8, got UTF-16; save it"),
        ("j.jsonl.gz", gzip.compress('{"a": 1}'.encode("utf-16"), mtime=0), "must be UTF-8, got UTF-16"),
        ("h.csv", b"a,b\n" + b"x" * (MAX_LINE + 5), "h.csv:2: must be at most 1,000,000 characters"),
    ],
)  # fmt: skip
def test_a_file_that_is_damaged_as_a_whole_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        list(read_rows(path))
    assert str(caught.value).startswith(str(path))


def test_rows_are_converted_and_the_place_is_in_what_is_raised(tmp_path):
    path = tmp_path / "rows.jsonl"
    for line, message in {
        '{"b": 1}': "rows.jsonl:2: must have a column 'a', got b",
        '{"a": null}': "rows.jsonl:2: must be in the layout of its data set: ",
        '{"a": "x"}': "rows.jsonl:2: must be in the layout of its data set: invalid literal",
        "{": "rows.jsonl:2: is not JSON: ",
    }.items():
        path.write_text('{"a": "1"}\n' + line)
        rows = convert_rows(read_rows(path), lambda row: int(row["a"]))
        assert next(rows) == 1
        with pytest.raises(ValueError, match=message):
            next(rows)


def test_a_row_may_be_nested_as_deep_as_it_can_be_read(found):
    deep = "[" * 900 + '{"a": 1, "a": 2}' + "]" * 900
    rows = found("rows.json", f'[{{"a": 3}}, {{"b": {deep}}}]')
    assert rows[0] == (", row 1", {"a": 3}, "") and "'a' twice in an object" in rows[1][2]


@pytest.mark.parametrize(
    "row", [{"a": 1, "b": 2}, {"c": {"a": 1, "b": 2}}, {"c": [[{"a": 1, "b": 2}]]}]
)
def test_a_row_with_a_key_twice_is_none_and_the_others_are_read(found, row):
    twice = json.dumps(row).replace('"b"', '"a"')
    good, reason = '{"a": 3}', "is not JSON that can be read: 'a' twice in an object"
    assert found("rows.jsonl", f"{good}\n{twice}\n{good}") == [
        (":1", {"a": 3}, ""), (":2", None, reason), (":3", {"a": 3}, ""),
    ]  # fmt: skip
    assert found("rows.json", f"[{good},\n{twice}, {good}]") == [
        (", row 1", {"a": 3}, ""), (", row 2", None, reason), (", row 3", {"a": 3}, ""),
    ]  # fmt: skip
