"""Edge: makes the files of one scan: drawn, plain, or from a file of the folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from replica.chance import digest_of, rng_of
from replica.params import Style
from replica.plain import plain_pixels
from replica.records import RENDITION_LONG_EDGE, FileScan, Resource, Role
from replica.renditions import fit, write_drawn, write_resized, write_scaled
from replica.scan import draw_scan
from replica.sheet import plan_sheet
from replica.tiff import to_tiff

REVISED_QUALITY = 4
"""By how much the JPEG quality of a revised scan is lower: the same picture in other bytes."""


def size_of(resource: Resource, *, pixels: int) -> tuple[int, int]:
    """Give width and height of a master; 0, 0 when unknown.

    Args:
        resource: Whose scan.
        pixels: Long edge of a generated print.
    """
    if isinstance(resource.scan, FileScan):
        return resource.scan.width, resource.scan.height
    plan = plan_sheet(resource.scan, pixels=pixels)
    return plan.width, plan.height


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes files in a folder; may be used by several threads for several scans.

    Attributes:
        folder: Where they go.
        pixels: Long edge of a generated print.
        style: How generated prints look.
    """

    folder: Path
    pixels: int
    style: Style

    def makes_all(self, resource: Resource) -> bool:
        """Say whether all service files of a scan are made at once, since drawing is dear."""
        return self.style is Style.DRAWN and not isinstance(resource.scan, FileScan)

    def make(self, resource: Resource, suffix: str) -> dict[str, Path]:
        """Make the file of one rendition, perhaps along with others.

        Args:
            resource: Whose scan.
            suffix: "_150px.jpg", "t.gif", "r.jpg", "v.jpg" or "u.tif".

        Returns:
            Where the files are, by suffix; those of the folder of prints may serve themselves.
        """
        path = self._path(resource, suffix)
        if isinstance(resource.scan, FileScan):
            own = resource.scan.path
            long_edge = RENDITION_LONG_EDGE.get(suffix)
            scaled = long_edge and write_scaled(resource.scan, path, long_edge=long_edge)
            return {suffix: path if scaled else own}
        if suffix == "u.tif":
            order = digest_of(f"{resource.digital_id}/byte order") % 2 == 1
            master = to_tiff(self._pixels_of(resource), big_endian=order)
            path.write_bytes(master)
            return {suffix: path}
        names = tuple(RENDITION_LONG_EDGE) if self.makes_all(resource) else (suffix,)
        paths = {name: self._path(resource, name) for name in names}
        longest = None if self.makes_all(resource) else RENDITION_LONG_EDGE[suffix]
        pixels = self._pixels_of(resource, long_edge=longest)
        write_drawn(pixels, paths, quality=_quality(resource))
        return paths

    def scale(self, resource: Resource, size: tuple[int, int]) -> Path:
        """Make a JPEG of the master in another size, as the IIIF service does.

        Args:
            resource: Whose scan.
            size: Width and height in pixels.
        """
        path = self._path(resource, f"_{size[0]}x{size[1]}.jpg")
        if not isinstance(resource.scan, FileScan):
            pixels = self._pixels_of(resource)
            write_resized(pixels, path, size=size, quality=_quality(resource))
            return path
        return (
            path if write_scaled(resource.scan, path, long_edge=max(size)) else resource.scan.path
        )

    def _pixels_of(self, resource: Resource, *, long_edge: int | None = None) -> NDArray[np.uint8]:
        """Draw a scan; one that is plain, at once in the size that is wanted."""
        assert not isinstance(resource.scan, FileScan)
        if self.style is Style.DRAWN:
            return draw_scan(resource.scan, self.pixels)
        width, height = size_of(resource, pixels=self.pixels)
        if long_edge is not None:
            width, height = fit(width, height, long_edge=long_edge)
        grey = resource.role is Role.NEGATIVE
        return plain_pixels(resource.scan.key, width=width, height=height, grey=grey)

    def _path(self, resource: Resource, suffix: str) -> Path:
        return self.folder / f"{resource.digital_id}{suffix}"


def _quality(resource: Resource) -> int:
    """Give the JPEG quality of a generated scan, 1..100."""
    assert not isinstance(resource.scan, FileScan)
    drawn = int(rng_of(f"{resource.scan.key}/quality").integers(78, 94))
    return drawn - REVISED_QUALITY * resource.revision
