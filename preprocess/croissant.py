"""Pure: a data set's Croissant metadata, which catalogues of data sets and loaders read.

After the Croissant Format Specification 1.1, which is the first with shapes of arrays. JSON-LD is
JSON, so nothing but the standard library is needed to write it; the tests read it with
`mlcroissant`.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

from preprocess.card import CARD_NAME, COLUMNS, to_title
from preprocess.composition import Composition
from preprocess.index import ARRAY_NAME, Index, Shard
from preprocess.samples import VERSION
from preprocess.split import PAIRS

CROISSANT_NAME: Final = "croissant.json"

_CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.1"
_CONTEXT: Final = "templates/croissant_context.json"
"""The specification's own context, whole: readers warn of another."""

_NUMBERS: Final = {"index", "width", "height", "valid"}
"""Columns of samples.parquet that hold integers; the others hold text."""

_ADVICE: Final = {
    "loc": (
        "No known restrictions on publication",
        "The Library's advisory on the prints, kept with every sample; it is not a licence.",
    ),
}
_NO_ADVICE: Final = (
    "unknown",
    "No rights are claimed or granted; each sample has what its source says of it.",
)

Node = dict[str, Any]


def to_croissant(index: Index, *, made: Composition, samples_name: str, samples_sha256: str) -> str:
    """Write the metadata of a folder of shards.

    `datePublished` is the day of the newest catalogue record that the data set was made from,
    and missing where no record says: the same harvest gives the same bytes.

    Args:
        index: The shards.
        made: What the data set is made of.
        samples_name: Name of the table of samples, in the same folder.
        samples_sha256: Its checksum, hexadecimal.

    Returns:
        JSON-LD.
    """
    paired = [shard for shard in index.shards if shard.split == PAIRS]
    record: Node = {
        "@context": json.loads(files("preprocess").joinpath(_CONTEXT).read_bytes()),
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        **_describe(index.size, made),
        "distribution": [
            _to_file(samples_name, "application/x-parquet", samples_sha256),
            _to_file(ARRAY_NAME, "application/x-npy", index.array_sha256)
            | {"description": "XXH3 and valid box of every sample, in the order of the shards."},
            *(_to_archive(shard) for shard in index.shards),
            *_to_file_set("lab", index.shards),
            *_to_file_set("bw", paired),
        ],
        "recordSet": [
            _to_table(samples_name),
            *_to_arrays("lab", index.shards, f"{index.size},{index.size},3"),
            *_to_arrays("bw", paired, f"{index.size},{index.size}"),
        ],
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _describe(size: int, made: Composition) -> Node:
    """Say what the data set is, and whose."""
    title = to_title(made.source, size)
    name, advice = _ADVICE.get(made.source, _NO_ADVICE)
    dated = {"datePublished": made.newest} if made.newest else {}
    return {
        "name": title,
        "description": (
            f"Colour prints in CIE LAB (D65), {size} px square, as WebDataset tars for learning "
            f"to colorize. {CARD_NAME} beside this file is its card and datasheet. The shards "
            "bear no date: datePublished is the day of the newest catalogue record that they "
            "were made from."
        ),
        "url": CARD_NAME,
        "version": f"{VERSION}.0.0",
        **dated,
        "creator": {"@type": "sc:Organization", "name": "the Photochrom contributors"},
        "license": {"@type": "sc:CreativeWork", "name": name, "description": advice},
        "citeAs": (
            f"@misc{{photochrom, title={{{title}}}, author={{{{the Photochrom contributors}}}}}}"
        ),
        "keywords": ["colorization", "photochrom", "webdataset"],
    }


def _to_file(name: str, kind: str, sha256: str) -> Node:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": kind,
        "sha256": sha256,
    }


def _to_archive(shard: Shard) -> Node:
    return _to_file(shard.name, "application/x-tar", shard.sha256) | {
        "contentSize": f"{shard.size_bytes} B",
        "description": f"{shard.samples} samples of {shard.split}.",
    }


def _to_file_set(name: str, shards: Sequence[Shard]) -> list[Node]:
    """Name one array of every sample in some shards; nothing where there are none."""
    if not shards:
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{name}.npy",
            "name": f"{name}.npy",
            "containedIn": [{"@id": shard.name} for shard in shards],
            "encodingFormat": "application/x-npy",
            "includes": f"*.{name}.npy",
        }
    ]


def _to_table(samples_name: str) -> Node:
    """Describe the table of samples, column by column."""
    fields = []
    for column, meaning in COLUMNS.items():
        field = {
            "@type": "cr:Field",
            "@id": f"samples/{column}",
            "name": column,
            "description": meaning.replace("`", ""),
            "dataType": "sc:Integer" if column in _NUMBERS else "sc:Text",
            "source": {"fileObject": {"@id": samples_name}, "extract": {"column": column}},
        }
        fields.append(field | ({"isArray": True, "arrayShape": "4"} if column == "valid" else {}))
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "All samples, written or rejected.",
        "key": {"@id": "samples/key"},
        "field": fields,
    }


def _to_arrays(name: str, shards: Sequence[Shard], shape: str) -> list[Node]:
    """Describe an array of every sample, which its key joins to the table of samples."""
    if not shards:
        return []
    source = {"fileSet": {"@id": f"{name}.npy"}}
    key = {
        "source": source
        | {"extract": {"fileProperty": "filename"}, "transform": {"regex": r"^([^.]+)"}},
        "references": {"field": {"@id": "samples/key"}},
    }
    content = {"source": source | {"extract": {"fileProperty": "content"}}}
    said = f"The bytes of an npy file: uint8, shape ({shape.replace(',', ', ')})."
    field = {"@type": "cr:Field", "dataType": "sc:Text"}
    return [
        {
            "@type": "cr:RecordSet",
            "@id": name,
            "name": name,
            "description": f"The member {name}.npy of every sample that has one.",
            "field": [
                field | {"@id": f"{name}/key", "name": "key"} | key,
                field
                | {"@id": f"{name}/content", "name": "content", "description": said}
                | content,
                field
                | {"@id": f"{name}/split", "name": "split"}
                | {"source": {"field": {"@id": "samples/split"}}},
            ],
        }
    ]
