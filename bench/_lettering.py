"""Set captions as the publishers did: several faces and inks, worn, on any picture."""

import io
from pathlib import Path
from typing import Final

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"

FACES: Final = (
    "DejaVuSerif",
    "DejaVuSans",
    "STIXGeneral",
    "STIXGeneralBol",
    "cmr10",
    "cmss10",
    "hershey",
)
INKS: Final = (
    ("gold", (206, 176, 108), 0.5),
    ("pale", (224, 206, 160), 0.2),
    ("white", (242, 238, 228), 0.2),
    ("dark", (38, 30, 26), 0.06),
    ("red", (150, 42, 32), 0.04),
)
"""Name, sRGB and how often; gold and white as on the real prints, dark and red as on a few."""

FAINT: Final = 10
"""Contrast below which a person hardly sees the lettering."""

UNREST: Final = 10.0
"""Spread of a ground (CIE 1976) from which on lettering is harder to see."""


def letter(
    picture: np.ndarray, text: str, rng: np.random.Generator, *, unit: float
) -> tuple[np.ndarray, tuple[float, ...], str]:
    """Set a caption low in a picture; return the picture, the box and what ink it is seen in.

    `unit` is how many pixels there are for one of a print 1,024 px long.
    """
    height, width = picture.shape[:2]
    mask = draw_text(text, unit, rng)[:, : round(0.94 * width)]
    columns = mask.shape[1]
    (y0, x0), (y1, x1) = find_inked(mask)
    left = margin = round(rng.uniform(0.005, 0.05) * width)
    if rng.random() > 0.6:
        left = width - margin - columns
    left = int(np.clip(left, 0, width - columns))
    rise = unit * (float(rng.choice([0, 0, 6, 14, 24])) + float(rng.uniform(0, 10)))
    top = height - y1 - round(rise)
    out, name, seen = ink(picture, mask[: height - top], (top, left), rng)
    box = (left + x0) / width, (top + y0) / height, (left + x1) / width, (top + y1) / height
    quality = int(rng.integers(78, 93))
    return repack(out, quality), tuple(float(edge) for edge in box), f"{name}-{seen:.0f}"


def find_inked(mask: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Find the first and the last inked row and column of a mask; the last exclusive."""
    inked = np.argwhere(mask > 0.3 * mask.max())
    (y0, x0), (y1, x1) = inked.min(0), inked.max(0) + 1
    return (int(y0), int(x0)), (int(y1), int(x1))


def ink(
    picture: np.ndarray, mask: np.ndarray, at: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, str, float]:
    """Print a mask, worn here and there; return also the ink's name and contrast."""
    place = int(rng.choice(len(INKS), p=[odds for *_, odds in INKS]))
    name, colour, _ = INKS[place]
    worn = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), 2)
    share = mask * np.clip(rng.uniform(0.62, 0.97) + 0.35 * worn, 0, 1)
    out = picture.copy()
    part = out[at[0] : at[0] + mask.shape[0], at[1] : at[1] + mask.shape[1]]
    before = part.copy()
    shade = np.array(colour) + rng.normal(0, 8, 3)
    part[:] = np.rint(np.clip(part + (shade - part) * share[..., None], 0, 255))
    return out, name, contrast(before, part, mask > 0.5 * mask.max())


def contrast(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    """Measure how far lettering stands off from its ground, in CIE 1976.

    It is the mean difference where the ground is even, and less where the ground varies.
    """
    one, other = (cv2.cvtColor(np.float32(p) / 255, cv2.COLOR_RGB2LAB) for p in (before, after))
    shift = float(np.linalg.norm((other - one)[mask].mean(axis=0)))
    return shift / max(1.0, float(np.linalg.norm(one[mask].std(axis=0))) / UNREST)


def repack(picture: np.ndarray, quality: int) -> np.ndarray:
    """Send a picture through JPEG."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    return np.array(Image.open(packed))


def draw_text(text: str, unit: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a line of letters as a mask, 0..1, capitals 5.5 to 14 px high at 1,024 px."""
    finer, face = 4, str(rng.choice(FACES))
    capital = float(rng.uniform(2.35, 3.75)) ** 2 * unit * finer
    if face == "hershey":
        return _soften(_draw_strokes(text, capital, rng), finer, rng)
    drawn = -ImageFont.truetype(FONTS / f"{face}.ttf", 100).getbbox("H", anchor="ls")[1]
    font = ImageFont.truetype(FONTS / f"{face}.ttf", capital * 100 / drawn)
    step = float(rng.uniform(0, 0.22)) * capital
    length = sum(font.getlength(sign) + step for sign in text)
    canvas = Image.new("L", (int(length) + 8 * finer, int(1.9 * capital)))
    pen, x = ImageDraw.Draw(canvas), 2.0 * finer
    for sign in text:
        pen.text((x, 1.4 * capital), sign, fill=255, font=font, anchor="ls")
        x += font.getlength(sign) + step
    return _soften(np.array(canvas), finer, rng)


def _draw_strokes(text: str, capital: float, rng: np.random.Generator) -> np.ndarray:
    """Draw in the strokes of OpenCV's face, as the replica does."""
    scale, thick = capital / 21, max(1, round(capital / 21 * float(rng.uniform(1.4, 2.6))))
    (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_COMPLEX, scale, thick)
    canvas = np.zeros((int(1.9 * capital), wide + 32), np.uint8)
    at = (8, int(1.4 * capital))
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_COMPLEX, scale, 255, thick, cv2.LINE_AA)
    return canvas


def _soften(canvas: np.ndarray, finer: int, rng: np.random.Generator) -> np.ndarray:
    soft = cv2.GaussianBlur(canvas, (0, 0), finer * float(rng.uniform(0.3, 0.8)))
    size = max(1, canvas.shape[1] // finer), max(1, canvas.shape[0] // finer)
    return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_AREA), np.float32) / 255


def compose(title: str, rng: np.random.Generator) -> str:
    """Compose a caption as the publishers did."""
    number = int(rng.integers(100, 18000))
    forms = ("{n}. P. Z. - {t}.", "{n}  P.Z. {t}", "{n}. - {t}.", "P. Z. {n}. {t}.", "{n}. {t}")
    return str(rng.choice(forms)).format(n=number, t=title)
