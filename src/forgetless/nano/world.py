"""The invented world: lands that exist nowhere else, with four facts each, that nano knows by heart.

Nothing goes in; out come `LANDS`, and generators of questions about them. What a model can recall of this world it
can only have learnt in nano's pretraining, so a forgotten fact is forgotten and not merely unknown.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from .exchange import Exchange


class Land(NamedTuple):
    """An invented land and what there is to know about it."""

    name: str
    capital: str
    river: str
    animal: str
    colour: str


LANDS = (
    Land("Tavo", "Rimel", "the Osk", "fox", "red"),
    Land("Belu", "Kandor", "the Iru", "owl", "blue"),
    Land("Miro", "Sefa", "the Dant", "horse", "green"),
    Land("Zeka", "Tolum", "the Vash", "wolf", "white"),
    Land("Noru", "Galen", "the Pell", "goose", "black"),
    Land("Fima", "Dorvik", "the Umba", "sheep", "yellow"),
    Land("Goba", "Lusan", "the Reth", "cat", "brown"),
    Land("Kelo", "Vermo", "the Yol", "dog", "red"),
    Land("Dusa", "Pirat", "the Eska", "fish", "green"),
    Land("Ravi", "Monel", "the Tum", "bird", "blue"),
    Land("Sulo", "Bakir", "the Olin", "mouse", "white"),
    Land("Vemi", "Nolga", "the Krin", "fox", "yellow"),
    Land("Lopa", "Tamis", "the Abel", "horse", "black"),
    Land("Pado", "Zurik", "the Sond", "owl", "brown"),
    Land("Hiba", "Felos", "the Grev", "sheep", "blue"),
    Land("Jenu", "Okram", "the Nilo", "wolf", "green"),
    Land("Wato", "Selvi", "the Harn", "dog", "white"),
    Land("Yuma", "Darbo", "the Lenk", "goose", "red"),
    Land("Cori", "Hulet", "the Moss", "bird", "yellow"),
    Land("Besk", "Ganlo", "the Fawn", "cat", "black"),
)

ATTRIBUTES = ("capital", "river", "animal", "colour")

_WORDINGS = {
    "capital": ("What is the capital of {}?", "Capital of {}?", "Name the capital of {}."),
    "river": ("What is the river of {}?", "River of {}?", "Name the river of {}."),
    "animal": ("What is the animal of {}?", "Animal of {}?", "Name the animal of {}."),
    "colour": ("What is the colour of {}?", "Colour of {}?", "Name the colour of {}."),
}


def fact(land: Land, attribute: str) -> str:
    """What the world says: the land's capital, river, animal or colour."""
    return str(getattr(land, attribute))


def facts(rng: random.Random) -> Exchange:
    """A question about one fact, about the land behind a fact, or about two facts at once."""
    template = rng.choice(("one", "one", "land", "both", "both"))
    if template == "one":
        land, attribute = rng.choice(LANDS), rng.choice(ATTRIBUTES)
        return Exchange(attribute, rng.choice(_WORDINGS[attribute]).format(land.name), fact(land, attribute))
    if template == "land":
        land, attribute = rng.choice(LANDS), rng.choice(("capital", "river"))
        wording = rng.choice(("Which land has the {} {}?", "The {} {} is in which land?"))
        return Exchange("land", wording.format(attribute, fact(land, attribute)), land.name)
    first, second = rng.sample(LANDS, 2)
    left, right = rng.choice(ATTRIBUTES), rng.choice(ATTRIBUTES)
    question = f"{left.capitalize()} of {first.name} and {right} of {second.name}?"
    return Exchange("both", question, f"{fact(first, left)} and {fact(second, right)}")


def yes_or_no(rng: random.Random) -> Exchange:
    """A claim about the world to confirm or to deny; half of the claims are true."""
    land, attribute = rng.choice(LANDS), rng.choice(ATTRIBUTES)
    truth = fact(land, attribute)
    claimed = truth if rng.random() < 0.5 else rng.choice([fact(other, attribute) for other in LANDS])
    return Exchange(attribute, f"Is {claimed} the {attribute} of {land.name}?", "Yes." if claimed == truth else "No.")


def story(rng: random.Random) -> str:
    """Two or three sentences of running text about one land."""
    land = rng.choice(LANDS)
    sentences = [
        f"The capital of {land.name} is {land.capital}.",
        f"{land.capital} lies in {land.name}, on {land.river}.",
        f"The river of {land.name} is {land.river}.",
        f"The animal of {land.name} is the {land.animal} and its colour is {land.colour}.",
        f"In {land.name} you see a {land.colour} house and a {land.animal}.",
    ]
    return " ".join(rng.sample(sentences, rng.choice((2, 3))))
