"""Pure: a date as a cataloguer states it, to the first and the last year that it admits.

Each form has its rule. Where a rule stands in AACR2, the rules that the records follow,
the paragraph is named (1.4F7, "Probable date").

| form | first, last |
|---|---|
| "1898", "1898 June 3", "June 3, 1898.", "1898-06-03" | 1898, 1898 |
| "1890-01-01" | 1890, 1890: a filed date, filled up to 1 January, says no more than its year |
| "ca. 1916", "1916?", "approximately 1916" (1.4F7) | 1916, 1916: the records name no margin |
| "c1901", "©1901", "copyright 1901" | 1901, 1901 |
| "between 1890 and 1900", "1890-1900", "1890 to 1900" (1.4F7) | 1890, 1900 |
| "1898-9", "1898-99", "1898 or 9" | 1898, 1899: the last digits stand for a whole year |
| "189-", "189-?", "189?", "1890s" (1.4F7) | 1890, 1899 |
| "18--", "18--?" (1.4F7), "1800s" | 1800, 1899 |
| "19th century" | 1801, 1900 |
| "not before 1890", "after 1890", "since 1890", "1890-" | 1890, none |
| "not after 1900", "before 1900", "until 1900" (1.4F7) | none, 1900 |
| "1905 [i.e. 1906]" | 1906, 1906: the correction counts |
| several years, "photographed 1897, printed 1903" | the least, the greatest |
| "undated", "n.d.", no year at all | none, none |

Brackets, one whose partner is lost among them, question marks and words of probability
change nothing: the interval is what is stated, not how sure it is.
"""

import re

FIRST_YEAR, LAST_YEAR = 1400, 2099
"""Numbers of four digits outside are no years: prints begin about 1400."""

Interval = tuple[int | None, int | None]

_CORRECTED = re.compile(r"\bi\.?\s?e\.?,?\s+(.*)", re.IGNORECASE)
_TH = r"(?:st|nd|rd|th)"
_OTHER_CENTURY = rf"(?:\s*(?:or|and|to|-)\s*[0-9]{{1,2}}{_TH})?"
_CENTURY = re.compile(rf"\b([0-9]{{1,2}}){_TH}(?={_OTHER_CENTURY}[\s-]+cent)", re.IGNORECASE)
_DAY = re.compile(r"(?<![0-9])([0-9]{4})-[0-9]{1,2}-[0-9]{1,2}(?![0-9])\S*")
_SHORT_RANGE = re.compile(r"(?<![0-9])([0-9]{4})\s*(?:[-–—/]|or)\s*([0-9]{1,2})(?![0-9/-])")
_DECADE = re.compile(r"(?<![0-9])([0-9]{3})(?:[-–—]|0s\b|0's\b|\?)(?![0-9])")
_HUNDRED = re.compile(r"(?<![0-9])([0-9]{2})(?:--|––|00s\b)(?![0-9])")
_YEAR = re.compile(r"(?<![0-9.])([0-9]{4})(?![0-9])")
_OPEN_START = re.compile(
    r"\b(?:not\s+after|(?<!not )before|until|till|prior\s+to|by)\s*$", re.IGNORECASE
)
_OPEN_END = re.compile(r"\b(?:not\s+before|(?<!not )after|since|from)\s*$", re.IGNORECASE)
_ABOUT = re.compile(r"\b(?:ca|circa|approximately|about|c|copyright)\b\.?|©", re.IGNORECASE)
_COPYRIGHT = re.compile(r"\b[cp](?=[0-9]{4}\b)", re.IGNORECASE)


def to_interval(statement: str) -> Interval:
    """Read the years that a statement admits.

    Args:
        statement: As stated, such as "[between ca. 1890 and ca. 1900]".

    Returns:
        First and last year, inclusive, FIRST_YEAR to LAST_YEAR; None for an end that the
        statement leaves open or does not name.
    """
    text = _to_plain(statement[:500])
    spans: list[Interval] = []
    for pattern, read in (
        (_CENTURY, _read_century),
        (_DAY, _read_year),
        (_HUNDRED, _read_hundred),
        (_SHORT_RANGE, _read_short_range),
        (_DECADE, _read_decade),
        (_YEAR, _read_year),
    ):
        for match in pattern.finditer(text):
            first, last = read(match)
            if FIRST_YEAR <= first <= last <= LAST_YEAR:
                spans.append(_open(text, match, (first, last)))
        text = pattern.sub(lambda match: " " * len(match[0]), text)
    return _join(spans)


def _to_plain(statement: str) -> str:
    """Drop what changes nothing; keep the correction alone where there is one."""
    text = _COPYRIGHT.sub("", statement)
    corrected = _CORRECTED.search(text)
    if corrected and re.search(r"[0-9]", corrected[1]):
        text = corrected[1]
    return " ".join(_ABOUT.sub(" ", re.sub(r"[\[\]()]", " ", text)).split())


def _open(text: str, match: re.Match[str], span: tuple[int, int]) -> Interval:
    """Leave an end open where the words before, or a dash behind, say so."""
    before, behind = text[: match.start()], text[match.end() :]
    if _OPEN_START.search(before):
        return None, span[1]
    if (
        _OPEN_END.search(before) and not re.match(r"\s*(?:to|until|[-–—])\s*[0-9]", behind)
    ) or re.match(r"\s*[-–—]\s*\??\s*$", behind):
        return span[0], None
    return span


def _join(spans: list[Interval]) -> Interval:
    """Span all intervals; an end that one leaves open stays open."""
    firsts = [first for first, _ in spans if first is not None]
    lasts = [last for _, last in spans if last is not None]
    opens = not spans or len(firsts) < len(spans), not spans or len(lasts) < len(spans)
    return None if opens[0] else min(firsts), None if opens[1] else max(lasts)


def _read_century(match: re.Match[str]) -> tuple[int, int]:
    last = int(match[1]) * 100
    return last - 99, last


def _read_hundred(match: re.Match[str]) -> tuple[int, int]:
    first = int(match[1]) * 100
    return first, first + 99


def _read_decade(match: re.Match[str]) -> tuple[int, int]:
    first = int(match[1]) * 10
    return first, first + 9


def _read_year(match: re.Match[str]) -> tuple[int, int]:
    return int(match[1]), int(match[1])


def _read_short_range(match: re.Match[str]) -> tuple[int, int]:
    """Fill up the last digits; those that go backwards are a month, as in "1898-06"."""
    first, digits = match[1], match[2]
    last = int(first[: -len(digits)] + digits)
    return int(first), last if last > int(first) else int(first)
