"""Pure: what is true of a generated scan, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replica.records import DrawnScan, Role, Row
from replica.sheet import Mount, plan_sheet


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one scan.

    Attributes:
        digital_id: Which scan.
        item_id: Its item.
        role: Colour or negative.
        group_id: The sheet of paper; scans with one `group_id` show the same print.
        view_id: The picture, whatever inks or crop.
        mount: What lies behind the print.
        corners: x, y of TL, TR, BR, BL of the picture, fractions of the scan's width and height.
        frame: Takes fractions of the view's whole picture to fractions of the scan, (3, 3).
    """

    digital_id: str
    item_id: str
    role: Role
    group_id: str
    view_id: str
    mount: Mount
    corners: tuple[float, ...]
    frame: NDArray[np.float64]


def find_truth(rows: Sequence[Row], *, pixels: int) -> dict[str, Truth]:
    """Tell what is true of every generated scan.

    Args:
        rows: The listing, from `catalogue.list_rows`.
        pixels: Long edge of a generated print, as served.

    Returns:
        By digital id; scans of a folder are left out, since nothing is known of them.
    """
    found = {}
    for row in rows:
        for resource in row.resources:
            if isinstance(resource.scan, DrawnScan):
                found[resource.digital_id] = _truth(
                    resource.digital_id, row.item_id, resource.scan, pixels
                )
    return found


def homography(source: Truth, target: Truth) -> NDArray[np.float64]:
    """Take a scan to another of the same view.

    Args:
        source: Scan whose fractions go in.
        target: Scan whose fractions come out.

    Returns:
        Shape (3, 3), fractions of width and height on both sides; last entry 1.

    Raises:
        ValueError: If they show different views.
    """
    if source.view_id != target.view_id:
        raise ValueError(
            f"{source.digital_id} and {target.digital_id}: expected scans of one view, "
            f"got {source.view_id} and {target.view_id}"
        )
    matrix = target.frame @ np.linalg.inv(source.frame)
    return np.asarray(matrix / matrix[2, 2])


def _truth(digital_id: str, item_id: str, scan: DrawnScan, pixels: int) -> Truth:
    plan = plan_sheet(scan, pixels=pixels)
    shrink = np.diag([1 / plan.width, 1 / plan.height, 1.0])
    corners = plan.corners / (plan.width, plan.height)
    return Truth(
        digital_id=digital_id,
        item_id=item_id,
        role=scan.role,
        group_id=scan.sheet.print_id,
        view_id=scan.sheet.view.view_id,
        mount=plan.mount,
        corners=tuple(float(v) for v in corners.ravel()),
        frame=shrink @ plan.frame,
    )
