"""Dates as the records state them (loc/FACTS.md, a3 and c), and as they are filed."""

import re

import numpy as np

USUAL = "[between ca. 1890 and ca. 1900]"
OTHERS = (
    "[ca. 1895]",
    "[ca. 1890-ca. 1900]",
    "[between 1889 and 1911]",
    "[between ca. 1890 and ca. 1905?]",
    "[189-?]",
    "c1901.",
    "1898 June 3.",
    "[1904 or 1905]",
    "[ca. 1900, printed later]",
)
USUAL_SHARE = 0.7


def date_of(rng: np.random.Generator) -> str:
    """Draw a date as a record states it."""
    if rng.random() < USUAL_SHARE:
        return USUAL
    return OTHERS[int(rng.integers(len(OTHERS)))]


def filed_year(stated: str) -> str:
    """Find the year under which a date is filed: the first that it names, 1890 when none.

    Returns:
        Four digits; "[189-?]" is filed under 1890.
    """
    found = re.search(r"\d{3}[\d-]", stated)
    return found[0].replace("-", "0") if found else "1890"
