"""The whole pipeline on generated prints and on the seventy real ones, side by side.

For each source all nine stages run once, by their commands, and then training and evaluation
with two more seeds. The model of the generated prints is also measured on every real print: it
has seen none of them. Run it from the repository: `python bench/both_sources.py`. It writes
bench/results/both_sources.json, and takes about 25 minutes on two cores.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _record import write_record

from train.evaluation import read_split
from train.predict import Predictor
from train.scores import summarise, to_rows
from train.table import fit_palette

ROOT = Path(__file__).resolve().parents[1]
PRINTS = ROOT.parent / "shared" / "photochroms"
STAGES = ("catalog", "scans", "dedupe", "crop", "pairs", "shards", "train", "evaluate", "report")
SEEDS = (0, 1, 2)
SIZE = 256


def main() -> None:
    """Run everything and write the record."""
    if not PRINTS.is_dir():
        sys.exit("no ../shared beside the checkout: the real prints are not here; nothing was run")
    with tempfile.TemporaryDirectory() as folder:
        generated, real = Path(folder) / "generated", Path(folder) / "real"
        sources = {"generated": (generated, []), "real": (real, [f"replica.images={PRINTS}"])}
        runs = {name: run_source(*source) for name, source in sources.items()}
        abroad = measure_abroad(generated, real)
    path = write_record(
        "both_sources",
        packages=("torch", "numpy", "prefect", "dvc"),
        seeds=SEEDS,
        runs=runs,
        median={name: take_median(one["evaluations"]) for name, one in runs.items()},
        generated_model_on_all_real_prints=abroad,
    )
    print(path)


def run_source(root: Path, settings: list[str]) -> dict[str, Any]:
    """Run all stages in a project of its own, then train and evaluate with the other seeds."""
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    seconds = {stage: call(root, stage, settings) for stage in STAGES}
    account = subprocess.run(
        ["photochrom", "status"], cwd=root, capture_output=True, text=True, check=True
    )
    kept = root / "data" / "model"
    evaluations = [read_figures(root)]
    shutil.copytree(kept, root / "model-of-the-first-seed")
    for seed in SEEDS[1:]:
        call(root, "train", [*settings, f"train.seed={seed}"])
        call(root, "evaluate", settings)
        evaluations.append(read_figures(root))
    subprocess.run(["photochrom", "down"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    return {
        "wall_s": seconds,
        "account": account.stdout.splitlines(),
        "evaluations": evaluations,
    }


def call(root: Path, stage: str, settings: list[str]) -> float:
    """Run one stage and return its wall time in seconds."""
    words = [word for setting in settings for word in ("--set", setting)]
    started = time.perf_counter()
    subprocess.run(["photochrom", stage, *words], cwd=root, check=True)
    return round(time.perf_counter() - started, 1)


def read_figures(root: Path) -> dict[str, Any]:
    """Read what the last evaluation found."""
    figures: dict[str, Any] = json.loads((root / "data/evaluation/metrics.json").read_text())
    return figures


def take_median(evaluations: list[dict[str, Any]]) -> dict[str, float]:
    """Take the median over seeds of the model's dE00, and of its difference to the bar."""
    return {
        "model_de00": statistics.median(one["model"]["de00"]["mean"] for one in evaluations),
        "difference_to_lightness_by_row_de00": statistics.median(
            one["difference"]["lightness_by_row"]["de00"]["mean"] for one in evaluations
        ),
    }


def measure_abroad(generated: Path, real: Path) -> dict[str, Any]:
    """Measure the generated prints' model on all real prints; baselines know what it knows."""
    seen = generated / "data" / "shards" / str(SIZE)
    samples = list(read_split(seen, "train"))
    palette = fit_palette([one.lab for one in samples], [one.info.valid for one in samples])
    predictor = Predictor.load(generated / "model-of-the-first-seed")
    rows = []
    for split in ("train", "val", "test"):
        for sample in read_split(real / "data" / "shards" / str(SIZE), split):
            rows += to_rows(sample, track="test", colours=predictor, palette=palette)
    return summarise(rows)


if __name__ == "__main__":
    main()
