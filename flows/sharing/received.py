"""Edge: hold a folder that was handed on against the manifest that came with it."""

import logging
from pathlib import Path

from flows.errors import SharingError
from flows.sharing.checking import SUMS_NAME, Checked, Claim, Fault, Show, check_claims
from flows.sharing.claims import claim_shards, claim_sums, list_files
from flows.sharing.verify import look_into
from preprocess.cold import TAR_SUFFIXES
from preprocess.errors import ShardError
from preprocess.index import INDEX_NAME, read_index

BAG_NAME = "bagit.txt"

_REMEDY = "fetch it again from where it came from"


def verify_folder(folder: Path, *, complete: bool, on_progress: Show) -> Checked:
    """Hold a bag, an exported data set or a folder of shards against its own manifest.

    Args:
        folder: With bagit.txt, SHA256SUMS or index.json in it.
        complete: Whether a split that is missing altogether is a fault; in a bag and where there
            is a SHA256SUMS it always is.
        on_progress: Told the share done, 0 to 1.

    Returns:
        What is not as it should be; paths are below the folder.

    Raises:
        SharingError: If there is no such manifest in it.
    """
    if (folder / BAG_NAME).is_file():
        return _verify_bag(folder, on_progress)
    shards = next(
        (path for path in (folder, folder / "data") if (path / INDEX_NAME).is_file()), None
    )
    summed = (folder / SUMS_NAME).is_file()
    if shards is None and not summed:
        raise SharingError(
            f"{folder}: expected {BAG_NAME}, {SUMS_NAME} or {INDEX_NAME} in it, found none; name "
            "a folder of shards, a bag or an export"
        )
    claims: list[Claim] = []
    if summed:
        claims += claim_sums(folder / SUMS_NAME, below="", remedy=_REMEDY, parted=False)
    below = "" if shards in (None, folder) else "data"
    try:
        index = None if shards is None else read_index(shards, compressed=True)
    except ShardError as exc:
        index = None
        broken = [Fault(f"{below}/{INDEX_NAME}".lstrip("/"), f"{exc}; {_REMEDY}")]
    else:
        broken = []
    if index is not None:
        claims += claim_shards(index, folder=below, remedy=_REMEDY)
    checked = check_claims(claims, folder=folder, complete=complete, on_progress=on_progress)
    checked.faults = [*broken, *checked.faults]
    if index is not None:
        look_into(checked, index, folder=below, root=folder)
    _look_for_strangers(folder, checked, claims, summed=summed)
    return checked


def _look_for_strangers(
    folder: Path, checked: Checked, claims: list[Claim], *, summed: bool
) -> None:
    """Find files that no manifest claims: faults among shards, and where all files are listed."""
    listed = {claim.path for claim in claims} | {SUMS_NAME}
    strangers = [
        name
        for name in list_files(folder)
        if name not in listed and not name.startswith((".git/", ".cache/"))
    ]
    for name in strangers:
        if summed or name.endswith(TAR_SUFFIXES):
            text = "expected no such file by its manifest, found one; move it away"
            checked.faults.append(Fault(name, text))
    if not summed and (rest := [name for name in strangers if not name.endswith(TAR_SUFFIXES)]):
        checked.notes.append(f"without a checksum here: {', '.join(rest)}")


def _verify_bag(folder: Path, on_progress: Show) -> Checked:
    """Hold a bag's files against its manifests, and let the Library's bagit judge the rest."""
    import bagit

    # What it finds comes as an exception; its log would only repeat it.
    logging.getLogger("bagit").setLevel(logging.CRITICAL)
    checked = Checked()
    try:
        bag = bagit.Bag(str(folder))
        sums = {path: sums.get("sha256", "") for path, sums in bag.entries.items()}
        claims = [Claim(path, "manifest-sha256.txt", _REMEDY, sha256=sums[path]) for path in sums]
        checked = check_claims(claims, folder=folder, complete=True, on_progress=on_progress)
        # A bag of others may have other checksums, too: then bagit reads every byte itself.
        ours = all(set(of_file) == {"sha256"} for of_file in bag.entries.values())
        bag.validate(completeness_only=ours)
    except bagit.BagValidationError as exc:
        named = {fault.path for fault in checked.faults}
        for detail in exc.details:
            path = str(getattr(detail, "path", folder.name))
            if path not in named:
                checked.faults.append(Fault(path, f"{_say(detail)}; {_REMEDY}"))
        if not checked.faults:
            checked.faults.append(Fault(folder.name, f"{_say(exc)}; {_REMEDY}"))
    except (bagit.BagError, ValueError) as exc:
        # A ValueError is how bagit stumbles over a file of the bag's own that is torn.
        checked.faults.append(Fault(folder.name, f"expected a bag ({_say(exc)}); {_REMEDY}"))
    return checked


def _say(detail: Exception) -> str:
    return " ".join(str(detail).split())
