"""Edge: what must hold before a release changes anything."""

from collections.abc import Sequence

from flows.account import read_account
from flows.errors import SharingError
from flows.params import Params
from flows.programs import try_git
from flows.project import Project
from flows.sharing.checking import Show, check_claims
from flows.sharing.claims import claim_outs, claim_shards
from flows.sharing.git import check_branch, check_checkout, refuse_tag
from flows.sharing.journal import list_paths
from flows.sharing.outs import read_lock, read_status
from flows.sharing.verify import judge_unlisted, look_into
from preprocess.index import read_index

SHOWN = 8
"""Faults that an error names."""


def check_ready(project: Project, params: Params, *, name: str) -> None:
    """See that a release may begin; nothing is changed.

    Args:
        project: The checkout.
        params: All settings.
        name: Of the release.

    Raises:
        SharingError: If one thing does not hold; it says what to do.
        ManifestError: If a manifest cannot be read.
    """
    root = project.root
    check_checkout(root)
    check_branch(root)
    check_name(project, name)
    check_identity(project)
    source = params.harvest.source
    check_source(project, source, size=params.preprocess.size)
    changed = (try_git(root, "status", "--porcelain", "--untracked-files=no") or "").splitlines()
    own = try_git(root, "status", "--porcelain", "--untracked-files=all", "--", *list_paths(source))
    changed += [line for line in (own or "").splitlines() if line.startswith("??")]
    if changed:
        raise SharingError(
            f"expected no uncommitted changes, found {_list(changed)}; commit them, or take them "
            "back with `git restore`, and run the command again"
        )
    if stale := read_status(root):
        raise SharingError(
            f"expected data that fits dvc.lock, but these stages are not up to date: "
            f"{', '.join(sorted(stale))}; run `dvc repro`, commit dvc.lock, and run the command "
            "again"
        )
    lines = read_account(project, size=params.preprocess.size)
    if faults := [f"{line.stage}: {line.fault}" for line in lines if line.fault]:
        raise SharingError(f"expected an account that adds up, got {_list(faults)}")
    if (refused := refuse_tag(root, name)) is not None:
        raise SharingError(
            f"{name}: expected a name that Git can set a tag of, but it says: {refused}; choose "
            "another name, or mend that; nothing was changed"
        )


def check_source(project: Project, source: str, *, size: int) -> None:
    """See that dvc.lock has scans of the source and shards of the size that are to be released.

    Raises:
        SharingError: If it has not: the data would be released as something that they are not.
    """
    outs = [out.path for out in read_lock(project.root).outs]
    for wanted in (f"data/scans/{source}", f"data/shards/{size}"):
        if wanted not in outs:
            above = wanted.rpartition("/")[0]
            others = ", ".join(one for one in outs if one.startswith(f"{above}/")) or "none"
            raise SharingError(
                f"dvc.lock: expected {wanted}, which is to be released, got {others}; leave out "
                "--set, or set it in params.yaml, run `dvc repro` and commit both"
            )


def check_name(project: Project, name: str) -> None:
    """See that a release may bear a name.

    Raises:
        SharingError: If Git takes no such tag, there is one already, or the name means something
            else to Git.
    """
    root = project.root
    formed = try_git(root, "check-ref-format", f"refs/tags/{name}") is not None
    if not formed or name.startswith("-") or not name.isprintable():
        raise SharingError(
            f"{name!r}: expected a name that Git takes for a tag, such as v1 or 2026.11; choose "
            "another"
        )
    if try_git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}") is not None:
        raise SharingError(
            f"{name}: expected a new name, but there is a tag of this name; a release is never "
            "changed: choose another name (`git tag --list` shows those that are taken)"
        )
    others = [f"{kind}{name}" for kind in ("refs/heads/", "refs/remotes/", "refs/")]
    found = [ref for ref in others if try_git(root, "show-ref", "--verify", "--quiet", ref) == ""]
    if found or name == "HEAD" or name.endswith("_HEAD"):
        raise SharingError(
            f"{name}: expected a name that means nothing to Git yet, but it means "
            f"{found[0] if found else 'a commit'}; choose another, such as v1 or 2026.11"
        )


def check_identity(project: Project) -> None:
    """See that Git knows who commits, rather than let it guess from the machine's name.

    Raises:
        SharingError: If it does not.
    """
    for who in ("GIT_COMMITTER_IDENT", "GIT_AUTHOR_IDENT"):
        if try_git(project.root, "-c", "user.useConfigOnly=true", "var", who) is None:
            raise SharingError(
                "expected Git to know who makes the release, and it does not: set "
                "`git config user.name ...` and `git config user.email ...`, and run the command "
                "again; nothing was changed"
            )


def check_bytes(project: Project, *, on_progress: Show) -> dict[str, str]:
    """Read all that a release sums up, and hold it against its manifests.

    Args:
        project: The checkout.
        on_progress: Told the share done, 0 to 1.

    Returns:
        The SHA-256 of each file, by path below data/.

    Raises:
        SharingError: If a byte is wrong.
        ShardError: If there is no index where there should be.
    """
    outs = [out for out in read_lock(project.root).outs if is_released(out.path)]
    claims, folders = claim_outs(project.root, outs)
    indexes = {}
    for folder in folders:
        path = project.root / folder.out.path
        if folder.out.path.startswith("data/shards/"):
            index = read_index(path)
            indexes[folder.out.path] = index
            claims += claim_shards(index, folder=folder.out.path, remedy="run `photochrom verify`")
    checked = check_claims(claims, folder=project.root, complete=True, on_progress=on_progress)
    for name, index in indexes.items():
        look_into(checked, index, folder=name, root=project.root)
    checked.faults += judge_unlisted(project.root, folders, checked)
    if checked.faults:
        raise SharingError(
            f"expected data that is whole, got {_list([one.line for one in checked.faults])}; "
            "`photochrom verify` says more"
        )
    return {path.removeprefix("data/"): one.sha256 for path, one in checked.digests.items()}


def is_released(path: str) -> bool:
    """Say whether an out's checksums are part of a release: manifests, shards and model are."""
    manifest = path.startswith("data/") and path.endswith(".parquet") and path.count("/") == 1
    return manifest or path.startswith("data/shards/") or path == "data/model"


def _list(faults: Sequence[str]) -> str:
    rest = f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return "".join(f"\n  {fault.strip()}" for fault in faults[:SHOWN]) + rest + "\n"
