"""Figures of the report: what they show, and that they do not change from run to run."""

import base64

import numpy as np

from flows.page.figures import draw_chroma, draw_distances, draw_reliability


def read_svg(uri: str) -> str:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/svg+xml;base64"
    return base64.b64decode(content).decode()


def test_each_bin_with_crops_is_drawn_with_their_number() -> None:
    svg = read_svg(draw_reliability([(0.15, 0.2, 41), (0.5, 0.0, 0), (0.95, 0.97, 873)]))
    assert "<!-- 41 -->" in svg
    assert "<!-- 873 -->" in svg
    assert "<!-- 0 -->" not in svg


def test_nothing_to_show_is_drawn_empty() -> None:
    assert "confidence" in read_svg(draw_reliability([]))


def test_a_figure_is_the_same_bytes_again() -> None:
    counts = [0, 0, 1, 0, 3, *[0] * 60]
    assert draw_distances(counts, near=14) == draw_distances(counts, near=14)
    assert draw_distances(counts, near=14) != draw_distances(counts[::-1], near=14)


def test_the_density_of_a_and_b_is_drawn_as_a_picture_and_is_the_same_bytes_again() -> None:
    counts = np.zeros((64, 64))
    counts[40, 36] = 9
    assert "<image" in read_svg(draw_chroma(counts))
    assert draw_chroma(counts) == draw_chroma(counts)
    assert draw_chroma(counts) != draw_chroma(counts.T)
    assert "green to red" in read_svg(draw_chroma(np.zeros((64, 64))))
