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

# What outdoor scenes and rooms consist of, a line for each: labels of four of them leave little to
# negatives (coverage.py).
SCENE_LINES: tuple[frozenset[str], ...] = (
    frozenset({"sky", "cloud"}),
    frozenset({"building", "wall", "house", "roof", "facade"}),
    frozenset({"floor", "carpet", "tile", "ceiling"}),
    frozenset({"street", "road", "sidewalk", "pavement", "highway", "asphalt"}),
    frozenset({"grass", "field", "lawn", "meadow", "vegetation", "terrain", "cropland"}),
    frozenset({"tree", "bush", "forest", "vegetation", "plant", "woodland"}),
    frozenset({"hill", "mountain", "cliff"}),
    frozenset({"rock", "stone", "gravel"}),
    frozenset({"sand", "beach", "soil", "mud", "dirt", "earth", "ground", "land", "desert"}),
    frozenset({"snow", "ice"}),
    frozenset({"water", "sea", "ocean", "river", "lake"}),
)

# Nouns of a surface that fills an image, where the other labels are FINDINGS on it.
SURFACES = frozenset(
    """
    surface substrate skin epidermis mucosa tissue retina fundus steel metal iron aluminium
    concrete cement asphalt pavement fabric textile leather wood tile wall soil
    """.split()  # noqa: SIM905, legible
)
# Findings that nobody looks for in a photo of anything else.
DEFECTS = frozenset(
    """
    defect flaw anomaly crack fracture fissure scratch gouge blowhole porosity dent crazing
    inclusion rust corrosion spalling delamination pothole lesion nevus melanoma ulcer polyp tumor
    tumour exudate hemorrhage microaneurysm weed
    """.split()  # noqa: SIM905, legible
)
FINDINGS = DEFECTS | frozenset(
    """
    damage hole pore pit stain spot mark patch break fray chip bubble burr scale wear tear cut knot
    thread contamination dirt peeling weld seam mole wound vessel disc scar acne burn rash vein
    nail mold crop plant seedling residue stubble uneven unevenness void wrinkle
    """.split()  # noqa: SIM905, legible
)
