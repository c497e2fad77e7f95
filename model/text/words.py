"""Word lists: names that mean background, and everyday words that automatic negatives come from."""

# Label names that mean "none of the other labels", cleaned as by vocabulary.clean_name.
BACKGROUND_NAMES = frozenset(
    {
        "background",
        "back ground",
        "bg",
        "other",
        "others",
        "void",
        "none",
        "nothing",
        "unlabeled",
        "unlabelled",
        "unknown",
        "ignore",
        "rest",
        "misc",
        "miscellaneous",
        "everything else",
        "anything else",
        "none of the above",
        "no label",
    }
)

# Everyday words that automatic negatives are chosen from: with them, pixels of nothing in the
# vocabulary go to the background instead of to the least wrong label (mIoU 0.177 without, 0.264
# with: benchmarks/README.md, ladder). Stuff and not things: with some things among them (clothes,
# clock, hat) a small CLIP gives away the labels' own pixels.
#
# Each line holds related words, (in the bank, used by labels only): a label that is or contains one
# of them takes the line's left side out of the bank.
_RELATED_LINES = (
    ("sky, cloud", "heaven"),
    ("wall, brick wall, building, house, roof, window, door", "brick, facade, tower, bridge"),
    ("ceiling", ""),
    ("floor, carpet, tile", "ground, rug, mat"),
    ("stair", "stairs, step, staircase"),
    ("curtain, fabric", "textile, cloth, blind"),
    ("fence", "railing, barrier, guardrail"),
    (
        "street, road, sidewalk, pavement, gravel",
        "asphalt, lane, path, track, highway, crosswalk, pothole, ground, parking, marking",
    ),
    ("railway", "rail, track"),
    ("grass, field", "lawn, meadow, vegetation, crop, weed, ground"),
    ("tree, bush, leaf, forest", "plant, shrub, vegetation, trunk, branch"),
    ("hill, mountain", "cliff, terrain"),
    ("rock, stone", "boulder, pebble, cliff, mineral"),
    ("sand, beach, soil, mud", "dirt, earth, ground, desert, clay"),
    ("snow, ice", "frost, glacier"),
    ("water, sea, river, lake", "ocean, pool, pond, stream, canal, puddle, flood"),
    ("wood, cardboard, paper", "timber, plank, log, document"),
    ("concrete", "cement"),
    ("table, desk", "diningtable, bench, furniture"),
    ("bed", "mattress, furniture"),
    ("shelf, cabinet", "cupboard, bookcase, wardrobe, drawer, furniture"),
    ("lamp", "light, bulb, lantern"),
    ("metal", "steel, iron, aluminium"),
    ("glass", "mirror, windscreen"),
    ("plastic, rubber", "foil"),
    ("leather", ""),
)

EVERYDAY_WORDS: tuple[str, ...] = tuple(
    word for bank, _ in _RELATED_LINES for word in bank.split(", ")
)
RELATED_WORDS: tuple[frozenset[str], ...] = tuple(
    frozenset(word for side in line if side for word in side.split(", ")) for line in _RELATED_LINES
)
