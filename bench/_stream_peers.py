"""The ways of streaming that take turns, and the peers' environments, each pinned here."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).resolve().parent / ".envs"
LIMIT_S: Final = 900
"""So long an installation may take."""

TORCH: Final = ("numpy==2.4.6", "torch==2.13.0")

PEERS: Final = {
    "torch": TORCH,
    "webdataset": (*TORCH, "webdataset==1.0.2", "pillow==12.3.0", "scikit-image==0.26.0"),
    "litdata": (*TORCH, "litdata==0.2.76"),
    "mosaicml": ("numpy==2.1.3", "torch==2.13.0", "mosaicml-streaming==0.13.0"),
    "datasets": ("numpy==2.4.6", "datasets==5.2.0"),
    "ffcv": (
        *("numpy==1.26.4", "torch==2.13.0", "numba==0.61.2", "opencv-python-headless==4.11.0.86"),
        *("assertpy", "fastargs", "imgcat", "matplotlib", "pandas", "tqdm", "psutil"),
        *("terminaltables", "setuptools<81", "wheel", "pkgconfig"),
    ),
}
"""What is installed for each; FFCV itself, whose metadata are wrong, comes after."""

FFCV: Final = "ffcv==1.0.2"
"""Built here; wants OpenCV's and libjpeg-turbo's headers: `apt-get install libopencv-dev
libturbojpeg0-dev pkg-config`."""

UNWANTED: Final = {"mosaicml": "torchvision"}
"""It does not load beside torch's build for the CPU, and is not needed."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of streaming."""

    name: str
    module: str
    function: str
    peer: str = ""
    """Whose environment; "" is ours."""
    files: str = ""
    """What it reads, below the data folder; "" where it is not measured cold."""
    most: int = 1 << 40
    """Samples of an epoch that are taken, where all would take too long."""
    exact: str = "array"
    """What its pictures must be those of, bit for bit: `array` or `jpeg`; "" where they are
    converted, or none are read."""


COPY: Final = "memcpy"
CAT: Final = "cat > /dev/null"
DECODE: Final = "JPEG decoding alone"
OURS: Final = "ours"
GATHER: Final = "ours, gather alone"
PREAD: Final = "ours, gather alone, pread"
FIRST: Final = "ours, gather, first epoch"
JPEG: Final = "ours, JPEG"
JPEG_LAB: Final = "ours, JPEG to LAB"
MEMMAP: Final = "torch Dataset on memmap"
MEMMAP_HELD: Final = "memmap, six batches held"
FFCV_RAW: Final = "FFCV"
ARROW: Final = "datasets, arrow"
LITDATA: Final = "litdata"
MDS: Final = "MDS, ndarray"
MDS_FIXED: Final = "MDS, ndarray of fixed shape"
WDS_RAW: Final = "webdataset, same tar"
WDS_DECODED: Final = "webdataset, same tar, decode()"
WDS_JPEG: Final = "webdataset, JPEG"
WDS_LAB: Final = "webdataset, JPEG to LAB"

FAST: Final = (
    Way(COPY, "_stream_limits", "copy", exact=""),
    Way(OURS, "_stream_ours", "feed", files="raw"),
    Way(GATHER, "_stream_ours", "mapped", files="raw"),
    Way(MEMMAP, "_stream_torch", "memmap", "torch", files="array.npy"),
    Way(MEMMAP_HELD, "_stream_torch", "memmap_held", "torch"),
    Way(FFCV_RAW, "_stream_ffcv", "raw", "ffcv", files="ffcv.beton"),
    Way(ARROW, "_stream_datasets", "raw", "datasets", files="arrow"),
    Way(FIRST, "_stream_ours", "first"),
    Way(PREAD, "_stream_ours", "pread", files="raw"),
    Way(CAT, "_stream_limits", "cat", files="raw", exact=""),
)
"""Turn and turn about in short spells, since their ratios are near 1."""

SLOW: Final = (
    Way(LITDATA, "_stream_litdata", "raw", "litdata", files="litdata"),
    Way(MDS, "_stream_mosaicml", "raw", "mosaicml", files="mds"),
    Way(MDS_FIXED, "_stream_mosaicml", "fixed", "mosaicml", files="mds-fixed"),
    Way(WDS_RAW, "_stream_webdataset", "raw", "webdataset", files="raw"),
    Way(WDS_DECODED, "_stream_webdataset", "decoded", "webdataset"),
)
OF_JPEG: Final = (
    Way(DECODE, "_stream_limits", "decode", most=4000, exact="jpeg"),
    Way(JPEG, "_stream_ours", "jpeg", files="jpeg", most=4000, exact="jpeg"),
    Way(WDS_JPEG, "_stream_webdataset", "jpeg", "webdataset", files="jpeg", exact="jpeg"),
    Way(JPEG_LAB, "_stream_ours", "jpeg_lab", most=1600, exact=""),
    Way(WDS_LAB, "_stream_webdataset", "jpeg_lab", "webdataset", most=1600, exact=""),
)
GROUPS: Final = (FAST, SLOW, OF_JPEG)


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer, or ours."""
    return HOME / f"stream-{peer}" / "bin" / "python" if peer else Path(sys.executable)


def install(peer: str) -> str:
    """Make a peer's environment where there is none; return why that cannot be, or nothing."""
    home = HOME / f"stream-{peer}"
    if (home / "ready").exists():
        return ""
    uv = str(Path(sys.executable).with_name("uv"))
    pip = (uv, "pip", "--quiet")
    at = ("--python", str(home))
    commands = [
        (uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)),
        (*pip, "install", *at, *PEERS[peer]),
    ]
    if peer == "ffcv":
        commands.append((*pip, "install", *at, "--no-build-isolation", "--no-deps", FFCV))
    if peer in UNWANTED:
        commands.append((*pip, "uninstall", *at, UNWANTED[peer]))
    links = os.environ.get("PIP_FIND_LINKS")
    found = os.environ | ({"UV_FIND_LINKS": links} if links else {})
    for command in commands:
        try:
            run = subprocess.run(
                command, capture_output=True, text=True, timeout=LIMIT_S, env=found, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            return f"{peer} is not installed: {exc}"
        if run.returncode:
            return f"{peer} is not installed: {' '.join(run.stderr.split())[-300:]}"
    (home / "ready").touch()
    return ""


def version_of(peer: str) -> dict[str, str]:
    """Return the versions of what a peer's environment holds, by distribution."""
    code = "import importlib.metadata as m;"
    code += "print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    run = subprocess.run(
        [str(python_of(peer)), "-c", code], capture_output=True, text=True, check=True
    )
    return dict(word.split("==") for word in run.stdout.split())
