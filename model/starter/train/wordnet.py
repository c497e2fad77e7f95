"""WordNet's nouns, read from Debian's `wordnet-base`: visible things, synonyms, broader words.

A photo labeled "airliner" also shows an "airplane" and an "aircraft"; a caption's "puppies" are
dogs. Most of the words that annotators type come into the training this way.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Lexicographer files of visible things (wninput(5WN)): animal, artifact, body, food, location,
# object, person, phenomenon, plant, substance.
VISIBLE = frozenset({5, 6, 8, 13, 15, 17, 18, 19, 20, 27})
# Broader words that fit nearly every picture.
TOO_GENERAL_WORDS = """
entity, physical entity, object, physical object, whole, unit, artifact, artefact, living thing,
animate thing, organism, being, causal agent, cause, causal agency, instrumentality,
instrumentation, matter, substance, thing, natural object, chordate, vertebrate, craniate,
placental, placental mammal, eutherian, eutherian mammal, mammal, mammalian, device, equipment,
conveyance, transport, implement, structure, construction, covering, way, passage, location,
region, area, abstraction, part, portion, solid, produce, commodity, trade good, good, consumer
goods, container, vascular plant, tracheophyte, woody plant, ligneous plant, spermatophyte, seed
plant, phanerogam, psychological feature, material, stuff, food, nutrient, foodstuff, food
product, surface, ungulate, hoofed mammal, carnivore, canine, canid, feline, felid, article,
fabrication, facility, installation, system, bovid, artiodactyl, even-toed ungulate, artiodactyl
mammal, odd-toed ungulate, perissodactyl, perissodactyl mammal, equine, equid, ruminant, craft,
mechanism, machine, self-propelled vehicle, wheeled vehicle, relative, adult, grownup, worker,
leader, contestant, unfortunate, male, female, male person, female person, line, extremity,
boundary, edge, bound, side, social group, geological formation, formation, body part, external
body part, individual, someone, somebody, mortal, soul
"""
# Frequent in captions, but words for the photo or for a place in it.
NOT_SEEN_WORDS = """
photo, photograph, picture, image, camera, front, back, side, top, bottom, left, right, middle,
background, foreground, group, pair, couple, one, two, three, air, way, end, distance, area,
place, scene, view, shot, day, time, night, close, piece, row, bunch, lot, something, someone,
set, corner, edge, line, part, color, white, black, red, green, blue, yellow, brown, orange,
pink, purple, gray, grey, tan, it, as, a, i, can, be, are, in, at, an, he, us, more, over, down,
out, who, what, present, reflection, show, fun, watch, match, stand, walk, run, jump, smile,
look, catch, throw, pull, center, sign language, point, standing, small, low, long, large,
light, dark, evening, afternoon, daytime, morning, outdoors, outside, inside, indoors, public
"""
TOO_GENERAL, NOT_SEEN = (
    frozenset(" ".join(words.split()).split(", ")) for words in (TOO_GENERAL_WORDS, NOT_SEEN_WORDS)
)


@dataclass(frozen=True)
class Synset:
    lemmas: tuple[str, ...]
    lexicographer_file: int
    hypernyms: tuple[int, ...]
    definition: str


class WordNet:
    def __init__(self, folder: Path) -> None:
        self.synsets: dict[int, Synset] = {}
        for line in (folder / "data.noun").read_text().splitlines():
            if line[0] != " ":
                offset, synset = parse_synset(line)
                self.synsets[offset] = synset
        self.senses: dict[str, list[int]] = {}
        for line in (folder / "index.noun").read_text().splitlines():
            if line[0] != " ":
                words = line.split()
                count = int(words[2])
                self.senses[words[0].replace("_", " ")] = [int(o) for o in words[-count:]]
        exceptions = (folder / "noun.exc").read_text().splitlines()
        self.irregular = {line.split()[0]: line.split()[1] for line in exceptions if " " in line}

    def singular(self, word: str) -> str:
        """ "puppies" -> "puppy"; a word that is no plural, or not known, is itself."""
        if word in self.irregular:
            return self.irregular[word].replace("_", " ")
        for ending, stem in (
            ("ies", "y"),
            ("ches", "ch"),
            ("shes", "sh"),
            ("sses", "ss"),
            ("xes", "x"),
            ("s", ""),
        ):
            if word.endswith(ending) and word.removesuffix(ending) + stem in self.senses:
                return word.removesuffix(ending) + stem
        return word

    def is_visible(self, word: str) -> bool:
        """Whether the first, most frequent, sense of the word is a visible thing."""
        senses = self.senses.get(word, ())
        return len(senses) > 0 and self.synsets[senses[0]].lexicographer_file in VISIBLE

    @cached_property
    def visible_lemmas(self) -> list[str]:
        """Every noun for something that can be photographed, about 83,000."""
        lemmas = {
            lemma
            for synset in self.synsets.values()
            if synset.lexicographer_file in VISIBLE
            for lemma in synset.lemmas
        }
        return sorted(lemmas)

    @cached_property
    def definitions(self) -> list[str]:
        """WordNet's definitions of such things: "a small hand axe with a short handle"."""
        return [s.definition for s in self.synsets.values() if s.lexicographer_file in VISIBLE]

    def related(self, labels: list[str], depth: int = 5) -> list[str]:
        """Synonyms and broader words of an image's labels, nearest first."""
        found: list[str] = []
        known = {label.lower() for label in labels}
        for label in labels:
            senses = [
                o
                for o in self.senses.get(self.singular(label.lower()), ())
                if self.synsets[o].lexicographer_file in VISIBLE
            ]
            if not senses:
                continue
            # Several labels of one image are often synonyms, which selects the sense that is meant.
            best = max(
                senses, key=lambda o: len(known & {x.lower() for x in self.synsets[o].lemmas})
            )
            for _ in range(depth):
                synset = self.synsets[best]
                found += [x for x in synset.lemmas if x.lower() not in TOO_GENERAL]
                if not synset.hypernyms or set(synset.lemmas) & {"person", "structure", "whole"}:
                    break
                best = synset.hypernyms[0]
        return list(dict.fromkeys(x for x in found if x.lower() not in known))

    def nouns_of(self, caption: str) -> list[str]:
        """The visible things that a caption names, pairs of words ("traffic light") before one."""
        words = re.findall(r"[a-z]+", caption.lower().replace("t-shirt", "tshirt"))
        found: list[str] = []
        i = 0
        while i < len(words):
            pair = (
                " ".join([*words[i : i + 1], self.singular(words[i + 1])])
                if i + 1 < len(words)
                else ""
            )
            single = self.singular(words[i])
            if pair and self.is_visible(pair) and words[i] not in NOT_SEEN:
                found.append(pair)
                i += 2
                continue
            if words[i] == "people":
                found.append("person")
            elif len(single) > 2 and single not in NOT_SEEN and self.is_visible(single):
                found.append(single)
            i += 1
        return list(dict.fromkeys(x for x in found if x not in TOO_GENERAL))


def parse_synset(line: str) -> tuple[int, Synset]:
    """One line of data.noun (wndb(5WN)): offset, file, type, words, pointers."""
    data, _, gloss = line.partition(" | ")
    fields = data.split()
    count = int(fields[3], 16)
    lemmas = tuple(fields[4 + 2 * i].replace("_", " ") for i in range(count))
    pointers = fields[5 + 2 * count :]
    hypernyms = tuple(
        int(pointers[i + 1]) for i in range(0, len(pointers) - 3, 4) if pointers[i] == "@"
    )
    return int(fields[0]), Synset(lemmas, int(fields[1]), hypernyms, gloss.split("; ")[0].strip())
