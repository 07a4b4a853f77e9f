"""Edge: the files that describe a folder of shards to those who find it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from harvest.files import write_bytes
from preprocess.card import CARD_NAME, to_card
from preprocess.composition import Composition
from preprocess.croissant import CROISSANT_NAME, to_croissant
from preprocess.index import Index
from preprocess.planning import Plan
from preprocess.records import SampleRow


def write_descriptions(
    samples: Path, index: Index, *, rows: Sequence[SampleRow], plan: Plan, made: Composition
) -> None:
    """Write the card and the Croissant metadata of a folder of shards.

    Args:
        samples: The table of samples, as it was just written; the descriptions go beside it.
        index: The shards.
        rows: All samples, written or rejected.
        plan: What the shards were written from.
        made: What the data set is made of.

    Raises:
        OSError: If the table cannot be read, or the disk refuses.
    """
    card = to_card(index, rows, settings=plan.settings, made=made, moved=plan.moved)
    sha256 = hashlib.sha256(samples.read_bytes()).hexdigest()
    croissant = to_croissant(index, made=made, samples_name=samples.name, samples_sha256=sha256)
    write_bytes(samples.with_name(CARD_NAME), card.encode())
    write_bytes(samples.with_name(CROISSANT_NAME), croissant.encode())
