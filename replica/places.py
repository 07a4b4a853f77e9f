"""Titles: places, and what the generated views of them are called."""

import numpy as np

PLACES = (
    ("Switzerland", ("Lucerne", "Interlaken", "Zermatt", "Montreux", "Chillon", "Thun", "Brunnen")),
    ("Italy", ("Bellagio", "Amalfi", "Venice", "Genoa", "Capri", "Sorrento", "Lugano")),
    ("Germany", ("Heidelberg", "Dresden", "Bacharach", "Cochem", "Lindau", "Hamburg", "Ulm")),
    ("France", ("Marseille", "Lyon", "Annecy", "Nice", "Dieppe", "Bordeaux", "Biarritz")),
    ("Norway", ("Bergen", "Odde", "Molde", "Stavanger", "Balholmen", "Hammerfest", "Merok")),
    ("Austria", ("Salzburg", "Innsbruck", "Hallstatt", "Bregenz", "Meran", "Ischl", "Riva")),
    ("England", ("Torquay", "Whitby", "Clovelly", "Warwick", "Windermere", "Dover", "York")),
    ("Scotland", ("Oban", "Stirling", "Loch Lomond", "Edinburgh", "Rothesay", "Melrose")),
    ("Belgium", ("Ghent", "Bruges", "Antwerp", "Dinant", "Ostend", "Namur")),
)
COORDINATES = {
    "Lucerne": (47.05, 8.31),
    "Interlaken": (46.69, 7.86),
    "Zermatt": (46.02, 7.75),
    "Montreux": (46.43, 6.91),
    "Chillon": (46.41, 6.93),
    "Thun": (46.76, 7.63),
    "Brunnen": (46.99, 8.6),
    "Bellagio": (45.99, 9.26),
    "Amalfi": (40.63, 14.6),
    "Venice": (45.44, 12.32),
    "Genoa": (44.41, 8.93),
    "Capri": (40.55, 14.24),
    "Sorrento": (40.63, 14.37),
    "Lugano": (46.0, 8.95),
    "Heidelberg": (49.41, 8.71),
    "Dresden": (51.05, 13.74),
    "Bacharach": (50.06, 7.77),
    "Cochem": (50.15, 7.17),
    "Lindau": (47.55, 9.68),
    "Hamburg": (53.55, 9.99),
    "Ulm": (48.4, 9.99),
    "Marseille": (43.3, 5.37),
    "Lyon": (45.76, 4.84),
    "Annecy": (45.9, 6.12),
    "Nice": (43.7, 7.27),
    "Dieppe": (49.92, 1.08),
    "Bordeaux": (44.84, -0.58),
    "Biarritz": (43.48, -1.56),
    "Bergen": (60.39, 5.32),
    "Odde": (60.07, 6.55),
    "Molde": (62.74, 7.16),
    "Stavanger": (58.97, 5.73),
    "Balholmen": (61.21, 6.53),
    "Hammerfest": (70.66, 23.68),
    "Merok": (62.1, 7.21),
    "Salzburg": (47.8, 13.04),
    "Innsbruck": (47.27, 11.39),
    "Hallstatt": (47.56, 13.65),
    "Bregenz": (47.5, 9.75),
    "Meran": (46.67, 11.16),
    "Ischl": (47.71, 13.62),
    "Riva": (45.89, 10.84),
    "Torquay": (50.46, -3.53),
    "Whitby": (54.49, -0.61),
    "Clovelly": (51.0, -4.4),
    "Warwick": (52.28, -1.58),
    "Windermere": (54.38, -2.91),
    "Dover": (51.13, 1.31),
    "York": (53.96, -1.08),
    "Oban": (56.41, -5.47),
    "Stirling": (56.12, -3.94),
    "Loch Lomond": (56.08, -4.63),
    "Edinburgh": (55.95, -3.19),
    "Rothesay": (55.84, -5.06),
    "Melrose": (55.6, -2.72),
    "Ghent": (51.05, 3.72),
    "Bruges": (51.21, 3.22),
    "Antwerp": (51.22, 4.4),
    "Dinant": (50.26, 4.91),
    "Ostend": (51.23, 2.92),
    "Namur": (50.47, 4.87),
}
"""Degrees north and east of each town, to about a kilometre."""

SUBJECTS = {
    "lake": ("the lake and mountains", "general view of the lake", "the lake from the shore"),
    "harbour": ("the harbor", "the port, sailing ships", "the inner harbor"),
    "square": ("the market place", "the church and square", "the town hall"),
    "bridge": ("the bridge and river", "the old bridge", "the stone bridge"),
    "castle": ("the castle", "the castle from the meadow", "ruins of the castle on the hill"),
    "street": ("the high street", "a street", "the main street, looking down"),
    "coast": ("the cliffs", "the coast, looking west", "the rocks at low tide"),
    "ruins": ("the abbey ruins", "ruins of the priory", "the old abbey"),
    "park": ("the avenue", "in the park", "the gardens"),
    "panorama": ("general view", "from the hill", "panorama of the town"),
    "beach": ("the beach", "the sands and promenade", "bathing beach"),
    "valley": ("the valley and glacier", "the torrent", "chalets in the valley"),
}


def title_of(kind: str, rng: np.random.Generator) -> tuple[str, str]:
    """Invent the title of a view.

    Args:
        kind: Kind of scene.
        rng: Where chance comes from.

    Returns:
        The catalogued title and the place heading: ("Lucerne, the lake and mountains,
        Switzerland", "Switzerland--Lucerne").
    """
    country, towns = PLACES[int(rng.integers(len(PLACES)))]
    town = towns[int(rng.integers(len(towns)))]
    subject = SUBJECTS[kind][int(rng.integers(len(SUBJECTS[kind])))]
    style = rng.random()
    if style < 0.72:
        title = f"[{town}, {subject}, {country}]"
    elif style < 0.9:
        title = f"{town}, {subject}, {country}"
    else:
        title = f"[{subject.capitalize()}, {town}, {country}, (i.e., {town}, {country})]"
    return title, f"{country}--{town}"
