"""Checks of the machine and of the environment; nothing is asked of any other machine."""

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import flows
from flows.costs import measure
from flows.doctor.findings import Check, Finding, Patient, missing, note, ok
from flows.project import Project

LIMIT_S = 3.5
LEAST_FREE = 1e9
"""Bytes: less than this, and the sample does not fit."""

CGROUP = Path("/sys/fs/cgroup")

TORCH = """
import json, torch
gpus = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
print(json.dumps({
    "gpus": [[gpu.name, gpu.total_memory] for gpu in gpus],
    "mps": torch.backends.mps.is_available(),
}))
"""


def check_python(patient: Patient) -> Finding:
    """Python, and that the command's code is this checkout's."""
    said = f"{platform.python_version()} in {sys.prefix}"
    here, root = Path(flows.__file__).resolve().parents[1], patient.project.root
    if here != root:
        remedy = f"in {root}: `make setup`, then `. .venv/bin/activate`"
        return note("python", f"{said}; the code comes from {here}, not from this folder", remedy)
    return ok("python", said)


def check_packages(patient: Patient) -> Finding:
    """The environment against requirements.lock."""
    lock = patient.project.root / "requirements.lock"
    if not lock.is_file():
        return note("packages", "there is no requirements.lock here to compare with")
    wanted = dict(re.findall(r"^([\w.-]+)(?:\[[^]]*])?==(\S+)$", lock.read_text("utf-8"), re.M))
    there = {_plain(one.metadata["Name"]): one.version.partition("+")[0] for one in distributions()}
    lost = [name for name in wanted if _plain(name) not in there]
    other = [
        f"{name} {there[_plain(name)]} for {version}"
        for name, version in wanted.items()
        if there.get(_plain(name), version) != version
    ]
    remedy = "`rm -f .venv/ready; make setup`"
    if lost:
        said = f"{len(lost)} of {len(wanted)} of requirements.lock missing: {_some(lost)}"
        return missing("packages", said, remedy)
    if other:
        return note("packages", f"{len(other)} of another version: {_some(other)}", remedy)
    return ok("packages", f"all {len(wanted)} of requirements.lock")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def check_git(patient: Patient) -> Finding:
    """Git, and that this is a checkout of it."""
    git, root = shutil.which("git"), patient.project.root
    if git is None:
        return missing("git", "there is no git on the path", "install git")
    words = [git, "-C", str(root), "rev-parse", "--is-inside-work-tree"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.stdout.strip() != "true":
        said = "this folder is no Git checkout: no releases, no `dvc exp`"
        return note("git", said, "`git clone` the project, or `git init` here")
    return ok("git", "this folder is a checkout")


def check_disk(patient: Patient) -> Finding:
    """Room for the data, DVC's cache of it, and the state, against what there is already."""
    project = patient.project
    folders = {"data": project.data, "cache": find_cache(project), "state": project.state}
    taken = {name: measure(path) for name, path in folders.items()}
    free = {_device(path): shutil.disk_usage(_existing(path)).free for path in folders.values()}
    least = min(free.values())
    places = "" if len(free) == 1 else f", the fullest of {len(free)} file systems"
    sizes = ", ".join(f"{name} {_gb(size)}" for name, size in taken.items())
    said = f"{_gb(least)} free{places}; taken: {sizes}"
    remedy = "make room, or set `dvc cache dir` to a larger disk; `dvc gc -w` drops old data"
    if least < LEAST_FREE:
        return missing("disk", said, remedy)
    if least < 2 * taken["data"]:
        return note("disk", f"{said}; a rebuild may want twice the data", remedy)
    return ok("disk", said)


def find_cache(project: Project) -> Path:
    """Find DVC's cache as its configuration has it; .dvc/cache where that says nothing."""
    from dvc.config import Config, ConfigError

    try:
        config = Config(str(project.root / ".dvc"), validate=False)
    except (ConfigError, OSError):
        return project.root / ".dvc" / "cache"
    return Path(config.get("cache", {}).get("dir") or project.root / ".dvc" / "cache")


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _device(path: Path) -> int:
    return _existing(path).stat().st_dev


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def check_processor(patient: Patient) -> Finding:
    """Cores that this process may use, against what the settings would start."""
    cores, there = count_cores(), os.cpu_count() or 1
    said = f"{cores:g} cores" + ("" if cores >= there else f" of {there}, by a limit set on us")
    if patient.params is None:
        return ok("processor", said)
    train = patient.params.train
    threads = train.processes * train.threads if train.runner == "local" else 0
    most = max(threads, patient.params.preprocess.workers)
    if most > cores:
        return note(
            "processor", f"{said}; the settings start {most} at once", "lower train.threads"
        )
    return ok("processor", said)


def count_cores(cgroup: Path = CGROUP) -> float:
    """Count the cores that the scheduler and a container's limit leave to this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    quota, period = _read_words(cgroup / "cpu.max", 2) or (
        *(_read_words(cgroup / "cpu" / "cpu.cfs_quota_us", 1) or ["max"]),
        *(_read_words(cgroup / "cpu" / "cpu.cfs_period_us", 1) or ["1"]),
    )
    limited = quota.isdecimal() and period.isdecimal()  # "max" and -1 are no limit
    return min(cores, int(quota) / int(period)) if limited else cores


def _read_words(path: Path, count: int) -> list[str] | None:
    try:
        words = path.read_text().split()
    except OSError:
        return None  # no such limit on this kind of machine
    return words if len(words) == count else None


def check_memory(_patient: Patient) -> Finding:
    """Memory, and a container's limit on it."""
    import psutil  # here and below: what a bare environment lacks ends its own check alone

    memory = psutil.virtual_memory()
    words = _read_words(CGROUP / "memory.max", 1) or ["max"]
    limit = int(words[0]) if words[0].isdecimal() else memory.total
    total, free = min(limit, memory.total), min(limit, memory.available)
    said = f"{_gb(total)}, {_gb(free)} of it free"
    if free < LEAST_FREE:
        return note("memory", said, "end something else; training needs about 1 GB a process")
    return ok("memory", said)


def check_torch(_patient: Patient) -> Finding:
    """Torch's build, and, from a process of its own, the devices that it sees."""
    build = find_torch()
    if build is None:
        return missing("torch", "it is not installed", "`make setup`")
    words = [sys.executable, "-c", TORCH]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        said = f"{build}; asking it for devices took more than {LIMIT_S:g} s"
        return note("torch", said, "run this again when the machine has less to do")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return missing("torch", f"{build}; it does not load: {last}", "`make setup`")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["gpus"]:
        name, size = found["gpus"][0]
        return ok("torch", f"{build}; {len(found['gpus'])} x {name} ({size / 2**30:.0f} GiB)")
    if found["mps"]:
        return note("torch", f"{build}; Apple's GPU is there, and the processor trains")
    return _without_gpu(build)


def find_torch() -> str | None:
    """Read torch's version and build off its files, which takes no time; None without torch."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    text = (Path(spec.origin).parent / "version.py").read_text("utf-8")
    found = dict(re.findall(r"^(__version__|cuda|hip)\b[^=]*= *'([^']+)'", text, re.M))
    kinds = [f"{name.upper()} {found[name]}" for name in ("cuda", "hip") if name in found]
    return f"{found.get('__version__', '?')}, {' '.join(kinds) or 'built without CUDA'}"


def _without_gpu(build: str) -> Finding:
    if shutil.which("nvidia-smi") is None:
        return ok("torch", f"{build}; no GPU here: the processor trains")
    if build.endswith("without CUDA"):
        remedy = "install the registry's torch: unset PIP_FIND_LINKS, then `make clean setup`"
        return note("torch", f"{build}, though there is an NVIDIA driver", remedy)
    return note("torch", f"{build}, and it sees no GPU", "see what `nvidia-smi` says")


CHECKS: dict[str, Check] = {
    "python": check_python,
    "packages": check_packages,
    "git": check_git,
    "disk": check_disk,
    "processor": check_processor,
    "memory": check_memory,
    "torch": check_torch,
}
