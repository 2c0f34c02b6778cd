"""A matrix of bytes from each rank to each is read, or refused with the place of each mistake."""

import pytest

from raddle.errors import InputError
from raddle.lab.workloads.matrix_file import read_matrix


def test_rows_send_and_columns_receive(tmp_path):
    file = tmp_path / "matrix.csv"
    file.write_bytes(b"\xef\xbb\xbf0, 16\r\n32,0\r\n\r\n")
    assert read_matrix(file).tolist() == [[0, 16], [32, 0]]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("0,16,16\n16,0,16\n", [(2, 1, "2 rows of 3 columns are no square")]),
        ("0,16\n16\n", [(2, 1, "a row of 1 columns after rows of 2")]),
        ("0,-16\n16,0\n", [(1, 3, "'-16' is negative")]),
        ("0,x\n1e6,0\n", [(1, 3, "'x' is no whole number"), (2, 1, "'1e6' is no whole number")]),
        ("0,\n16,0\n", [(1, 3, "'' is no whole number")]),
        ("0;16\n16;0\n", [(1, 1, "columns are separated by ';'"), (2, 1, "columns are separated by ';'")]),
        ("0,9999999999999999\n16,0\n", [(1, 3, "up to 1000000000000000")]),
        ("32,8\n8,32\n", [(1, 1, "no rank sends another one 16 bytes or more")]),
        ("", [(1, 1, "the file is empty")]),
    ],
)
def test_each_mistake_is_told_with_its_place(tmp_path, text, problems):
    file = tmp_path / "matrix.csv"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_matrix(file)
    found = [(each.span.line, each.span.column, each.message) for each in caught.value.diagnostics]
    assert len(found) == len(problems)
    for (line, column, message), (at_line, at_column, words) in zip(found, problems, strict=True):
        assert (line, column) == (at_line, at_column)
        assert words in message


def test_a_file_that_is_not_there_is_one_error(tmp_path):
    with pytest.raises(InputError, match=r"no-matrix.*cannot read"):
        read_matrix(tmp_path / "matrix.csv")
