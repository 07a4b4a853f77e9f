"""Pure: the data set card that lies beside the shards."""

from collections.abc import Sequence
from typing import Final

from preprocess.index import Index
from preprocess.records import SampleRow, SampleState
from preprocess.split import PAIRS, Split

CARD_NAME: Final = "README.md"

_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)
"""Hugging Face's names for the number of samples, each with its exclusive end."""

_TEXT: Final = """\
---
pretty_name: Photochrom prints, {size} px, LAB
license: other
license_name: no-known-restrictions-on-publication
task_categories:
- image-to-image
tags:
- colorization
- photochrom
- webdataset
size_categories:
- {category}
configs:
{configs}
---

# Photochrom prints, {size} px

Rectified scans of photochrom prints from the Library of Congress, in LAB (D65), for learning to
colorize. The Library knows of no restrictions on the publication of these prints; that is advice,
not a licence. `samples.parquet` has every sample's own rights statement.

| split | samples | views | shards | MB |
| --- | ---: | ---: | ---: | ---: |
{table}

{written} samples are written and {rejected} rejected; `samples.parquet` gives the reason of each.
A view, all prints and negatives of one picture, lies in one split. `pairs` holds film negatives
laid over their prints; `view_split` says which split their view is in, so train on pairs of
`train` alone.

## A sample

| member | content |
| --- | --- |
| `<key>.json` | 1,024 bytes, padded with spaces |
| `<key>.lab.npy` | uint8 ({size}, {size}, 3): L·255/100, a+128, b+128, rounded |
| `<key>.bw.npy` | in `pairs` only: uint8 ({size}, {size}), L·255/100 of the negative |

| field of the JSON | meaning |
| --- | --- |
| `version` | 1 |
| `key` | name of the sample, the scan's id with dashes for dots |
| `scan_id`, `item_id` | the scan, and its record in the catalogue |
| `group_id`, `view_id` | the print, and the picture it shows |
| `split`, `view_split` | the shard's split, and the view's |
| `source_width`, `source_height` | pixels of the scan as stored |
| `valid` | top, left, bottom, right (exclusive) of the picture; around it is padding |
| `size` | {size} |
| `scan_sha256` | checksum of the scan |

## Reading

```python
import webdataset

samples = webdataset.WebDataset("{example}", shardshuffle=False).decode()
for sample in samples:
    lab, info = sample["lab.npy"], sample["json"]
```

```python
import datasets

samples = datasets.load_dataset("webdataset", data_files={{"{split}": "{split}-*.tar"}})
```

Every sample of a shard takes the same number of bytes: `index.json` has the stride and the offset
of each array, so a shard can be mapped as one array.
"""


def to_card(index: Index, rows: Sequence[SampleRow]) -> str:
    """Write the card of a folder of shards.

    Args:
        index: The shards.
        rows: All samples, written or rejected.

    Returns:
        Markdown with the front matter that Hugging Face reads.
    """
    written = sum(row.state == SampleState.WRITTEN for row in rows)
    first = index.shards[0] if index.shards else None
    names = [*Split, PAIRS]
    filled = [name for name in names if any(shard.split == name for shard in index.shards)]
    return _TEXT.format(
        size=index.size,
        category=next((name for end, name in _SIZES if written < end), "n>1M"),
        configs=_to_configs(filled),
        table="\n".join(_to_line(name, index, rows) for name in names),
        written=written,
        rejected=len(rows) - written,
        example=first.name if first else "train-000000.tar",
        split=first.split if first else Split.TRAIN.value,
    )


def _to_configs(splits: Sequence[str]) -> str:
    """List the files of each split; pairs have other members, so they are a config of their own."""
    lines = []
    for config, members in (
        ("prints", [name for name in splits if name != PAIRS]),
        ("pairs", [name for name in splits if name == PAIRS]),
    ):
        if members:
            lines += [f"- config_name: {config}", "  data_files:"]
            for name in members:
                lines += [f"  - split: {name}", f"    path: {name}-*.tar"]
    return "\n".join(lines) if lines else "  []"


def _to_line(split: str, index: Index, rows: Sequence[SampleRow]) -> str:
    shards = [shard for shard in index.shards if shard.split == split]
    views = {row.view_id for row in rows if row.split == split and row.state == "written"}
    samples = sum(shard.samples for shard in shards)
    megabytes = sum(shard.size_bytes for shard in shards) / 1e6
    return f"| {split} | {samples} | {len(views)} | {len(shards)} | {megabytes:.1f} |"
