"""Edge: photographs to colorized copies of the same size, with their own lightness."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from colorize.decoding import read_photo
from colorize.encoding import write_photo
from colorize.errors import ColorizeError
from colorize.outputs import FORMATS, plan_outputs
from colorize.params import ColorizeParams
from colorize.records import Bytes, Outcome, Results
from preprocess.lab import to_lightness, to_rgb
from train.grid import find_strips, to_fractions
from train.predict import ModelError, Predictor


def colorize_photos(
    photos: Sequence[Path],
    *,
    out: Path,
    model: Path,
    params: ColorizeParams,
    on_progress: Callable[[float], None],
) -> Results:
    """Colorize photographs one by one; one that fails does not stop the others.

    Args:
        photos: The photographs; `plan_outputs` names their copies.
        out: Folder of the copies; made where it is missing.
        model: Folder of the model.
        params: Strength of the colours and quality of the files.
        on_progress: Called with the share done, 0..1, after each photograph.

    Returns:
        What became of each photograph, in the order given; one given twice counts once.

    Raises:
        ColorizeError: If no photograph is given, or the model cannot be used.
    """
    if not photos:
        raise ColorizeError("expected photographs to colorize, got none; name one or more files")
    try:
        predictor = Predictor.load(model)
    except ModelError as exc:
        raise ColorizeError(str(exc)) from exc
    plan = plan_outputs([photo.absolute() for photo in photos], out.absolute())
    outcomes = []
    for photo, target in plan.items():
        try:
            colorize_photo(
                photo,
                out=target,
                predictor=predictor,
                strength=params.strength,
                quality=params.quality,
            )
            outcomes.append(Outcome(photo, target))
        except ColorizeError as exc:
            outcomes.append(Outcome(photo, None, str(exc)))
        on_progress(len(outcomes) / len(plan))
    return Results(tuple(outcomes))


def colorize_photo(
    photo: Path, *, out: Path, predictor: Predictor, strength: float, quality: int
) -> Path:
    """Colorize one photograph: same pixels upright, same lightness, same metadata.

    Args:
        photo: JPEG, PNG, TIFF, WebP, or another file that Pillow reads.
        out: File to write, of a suffix in `FORMATS`; an older one is replaced, whole.
        predictor: The model.
        strength: Factor on the chroma of the colours, 0 or more; 0 is grey.
        quality: Quality of a JPEG or WebP, 1..100.

    Returns:
        `out`.

    Raises:
        ColorizeError: If the photograph cannot be read, the copy cannot be written or would
            replace the photograph, or the model fails; then nothing is written.
    """
    if out.suffix.lower() not in FORMATS:
        raise ColorizeError(f"{out}: expected a name that ends in one of {', '.join(FORMATS)}")
    opened = read_photo(photo)
    if out.exists() and out.samefile(photo):
        raise ColorizeError(
            f"{photo}: its colorized copy would replace it; name another folder or file"
        )
    try:
        rgb = add_colour(opened.rgb, predictor=predictor, strength=strength)
    except ModelError as exc:
        raise ColorizeError(f"{photo}: {exc}") from exc
    software = f"photochrom {version('photochrom')}"
    provenance = f"colorized by {software}, model {predictor.sha256[:12]}, strength {strength:g}"
    write_photo(out, rgb, photo=opened, software=software, provenance=provenance, quality=quality)
    return out


def add_colour(rgb: Bytes, *, predictor: Predictor, strength: float) -> Bytes:
    """Replace the colours of a picture by the model's; its lightness stays.

    Works in strips of rows, so that it needs a few bytes for each pixel beside the result.

    Args:
        rgb: Picture, shape (H, W, 3), sRGB, 0..255; of its colours nothing is used.
        predictor: The model.
        strength: Factor on the chroma of the colours, 0 or more.

    Returns:
        Shape (H, W, 3), uint8, sRGB; colours that sRGB lacks lose chroma, not lightness.

    Raises:
        ModelError: If the model fails.
    """
    lightness = to_lightness(rgb)
    grid = predictor.predict_grid(lightness)
    yfrac = to_fractions(len(rgb))
    coloured = np.empty_like(rgb)
    for rows in find_strips(*lightness.shape):
        ab = predictor.slice_ab(lightness[rows], grid=grid, yfrac=yfrac[rows])
        ab *= np.float32(strength)
        coloured[rows] = to_rgb(np.dstack((lightness[rows], ab)))
    return coloured
