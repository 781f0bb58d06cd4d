"""The lines of a submission file: what each holds, and what is wrong with it by itself."""

import re

from kit.kaggle.fault import Fault, shown
from kit.kaggle.id_order import UNREADABLE

COLUMNS = ("ImageId", "Label")
CLASSES = 10

_PLACES = {column: place for place, column in enumerate(COLUMNS)}
_BOM = b"\xef\xbb\xbf"
_PLAIN_ROW = re.compile(rb"([1-9][0-9]{0,17}),([0-9])")
_WHOLE = re.compile(r"([+-]?)([0-9]+)(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# more figures need not fit an int64, and no file has so many rows
_MOST_FIGURES = 18
_EXPECTED = {"ImageId": "a whole number, 1 or more", "Label": "a digit, 0 to 9"}


class SubmissionLines:
    """The rows of a submission file, read as far as they can be, and the faults of its lines.

    Attributes:
        ids: the id of each row, `UNREADABLE` where there is none to read.
        labels: the label of each row, -1 where there is none to read.
        lines: the line of each row, counted from 1.
        end: the line after the last one.
        faults: what is wrong with the header and with each row, regardless of the other rows.
    """

    def __init__(self, content: bytes) -> None:
        self.ids: list[int] = []
        self.labels: list[int] = []
        self.lines: list[int] = []
        self.faults: list[Fault] = []
        self._width = len(COLUMNS)
        self._places = _PLACES
        if content.startswith(_BOM):
            self._fault(1, None, "no byte order mark", "EF BB BF", "the file starts with a BOM")
            content = content.removeprefix(_BOM)
        lines = self._split(content)
        self.end = len(lines) + 1
        header_lines = self._read_header(lines)
        self._read_rows(lines, header_lines)

    def count_faults(self, rows: int | None) -> list[Fault]:
        """The fault of a file that has not `rows` rows, or, where `rows` is None, none at all."""
        count = len(self.lines)
        found = "1 row" if count == 1 else f"{count:,} rows"
        if rows is None:
            message = "there are no rows"
            return [] if count else [Fault(self.end, None, "1 row or more", found, message)]
        if count < rows:
            return [Fault(self.end, None, f"{rows:,} rows", found, "there are too few rows")]
        if count > rows:
            line = self.lines[rows]
            return [Fault(line, None, f"{rows:,} rows", found, "there are too many rows")]
        return []

    def _fault(
        self, line: int, column: str | None, expected: str, found: str, message: str
    ) -> None:
        self.faults.append(Fault(line, column, expected, found, message))

    def _split(self, content: bytes) -> list[bytes]:
        # where CR alone ends the lines, LF would find a single one, and hide all else in it
        ends_in_cr = b"\n" not in content and b"\r" in content
        lines = content.split(b"\r" if ends_in_cr else b"\n")
        if lines[-1]:
            message = "the last line has no end"
            self._fault(len(lines), None, "LF", "the end of the file", message)
        else:
            lines.pop()
        # Kaggle's own sample_submission.csv ends every line in CRLF, and Kaggle takes it
        if lines and all(line.endswith(b"\r") for line in lines):
            lines = [line.removesuffix(b"\r") for line in lines]
        if ends_in_cr:
            for line in range(1, len(lines) + 1):
                self._carriage_return(line)
        return lines

    def _carriage_return(self, line: int) -> None:
        self._fault(line, None, "LF", "CR", "a carriage return ends the line")

    def _text(self, line: int, raw: bytes) -> str:
        """The text of a line without its end; bytes that are no UTF-8 are escaped."""
        if raw.endswith(b"\r"):
            self._carriage_return(line)
            raw = raw[:-1]
        if b"\0" in raw:
            self._fault(line, None, "text", "a NUL byte", "the line holds a NUL byte")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"byte {raw[error.start]:02X}"
            self._fault(line, None, "UTF-8", found, "the line is not UTF-8")
            return raw.decode("utf-8", "backslashreplace")

    def _blank(self, line: int, text: str) -> bool:
        blank = not text.strip()
        if blank:
            self._fault(line, None, "a row", shown(text), "the line is blank")
        return blank

    def _read_header(self, lines: list[bytes]) -> int:
        """Read the header, and return how many lines stand before the first row."""
        for line, raw in enumerate(lines, start=1):
            if _PLAIN_ROW.fullmatch(raw.strip()):
                self._no_header(line, shown(raw.decode("ascii")))
                return line - 1
            text = self._text(line, raw)
            if not self._blank(line, text):
                self._compare_header(line, text, lines[line:])
                return line
        self._no_header(1, "no text")
        return len(lines)

    def _no_header(self, line: int, found: str) -> None:
        self._fault(line, None, ",".join(COLUMNS), found, "the header is missing")

    def _compare_header(self, line: int, text: str, rows: list[bytes]) -> None:
        """Find what is wrong with the header, and where it puts the columns of the rows."""
        header = ",".join(COLUMNS)
        if text == header:
            return
        if '"' in text:
            self._fault(line, None, header, shown(text), "the header is quoted")
        names = [name.removeprefix('"').removesuffix('"') for name in text.split(",")]
        places = {column: names.index(column) for column in COLUMNS if column in names}
        if list(places.values()) == [1, 0]:
            self._fault(line, None, header, shown(text), "the columns are in another order")
        for place, column in enumerate(COLUMNS):
            if column in places:
                continue
            if place < len(names) and place not in places.values():
                places[column] = place
                message = "the column has another name"
                self._fault(line, column, column, shown(names[place]), message)
            else:
                self._fault(line, column, column, shown(text), "the column is missing")
        extra = [name for place, name in enumerate(names) if place not in places.values()]
        if extra:
            found = f"{len(names)}, with {shown(','.join(extra))}"
            self._fault(line, None, f"{len(COLUMNS)} columns", found, "there are extra columns")
        # a header that lost its line end says nothing of the rows; one with an index column does
        commas = [row.count(b",") for row in rows]
        if commas.count(len(names) - 1) >= commas.count(len(COLUMNS) - 1):
            self._width = len(names)
            self._places = places

    def _read_rows(self, lines: list[bytes], header_lines: int) -> None:
        plain = self._width == len(COLUMNS) and self._places == _PLACES
        for line, raw in enumerate(lines[header_lines:], start=header_lines + 1):
            match = _PLAIN_ROW.fullmatch(raw) if plain else None
            if match:
                self.lines.append(line)
                self.ids.append(int(match[1]))
                self.labels.append(int(match[2]))
            else:
                self._read_row(line, raw)

    def _read_row(self, line: int, raw: bytes) -> None:
        text = self._text(line, raw)
        if self._blank(line, text):
            return
        width = text.count(",") + 1
        if width != self._width:
            message = "the row is short" if width < self._width else "the row is long"
            self._fault(line, None, f"{self._width} fields", str(width), message)
        fields = text.split(",", self._width)[: self._width]
        image_id = self._whole_number(line, "ImageId", fields)
        label = self._whole_number(line, "Label", fields)
        if label is not None and not 0 <= label < CLASSES:
            self._fault(line, "Label", _EXPECTED["Label"], str(label), "the label is out of range")
        self.lines.append(line)
        self.ids.append(UNREADABLE if image_id is None else image_id)
        self.labels.append(-1 if label is None else label)

    def _whole_number(self, line: int, column: str, fields: list[str]) -> int | None:
        """The number in a column; None where there is none, which is then found as a fault."""
        place = self._places.get(column, len(fields))
        if place >= len(fields):
            return None
        field = fields[place]
        expected, found = _EXPECTED[column], shown(field)
        bare = field.strip()
        if bare != field:
            self._fault(line, column, expected, found, "the field has spaces around it")
        if '"' in bare:
            self._fault(line, column, expected, found, "the field is quoted")
            bare = bare.removeprefix('"').removesuffix('"').strip()
        match = _WHOLE.fullmatch(bare)
        if not match:
            self._fault(line, column, expected, found, _why_not_whole(bare))
            return None
        sign, figures, point = match.groups()
        if point:
            self._fault(line, column, expected, found, "the field is not a whole number")
        significant = figures.lstrip("0") or "0"
        if significant != figures:
            self._fault(line, column, expected, found, "the number has leading zeros")
        if sign == "+" or (sign and significant == "0"):
            self._fault(line, column, expected, found, "the number has a sign")
        if len(significant) > _MOST_FIGURES:
            self._fault(line, column, expected, found, "the number is out of range")
            return None
        return int(sign + significant)


def _why_not_whole(bare: str) -> str:
    if not bare:
        return "the field is empty"
    if _NUMBER.fullmatch(bare):
        return "the field is not a whole number"
    return "the field is not a number"
