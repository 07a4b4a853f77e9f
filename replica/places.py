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
