"""Plans of claims on texts that are counted, without simulations, as tests of plans need them."""

from __future__ import annotations

from unittest import mock

from modclaims import (
    CategoryClustering,
    HeadSelectivity,
)
from modclaims.corpus import Corpus, Text
from modclaims.lm.outline import read_outline
from modclaims.plans import plans
from modclaims.plans.plans import make_plan
from modclaims.planting.family import claim_of
from modclaims.recording import (
    ModelShape,
    Positions,
    Reading,
)
from modclaims.runs.collect import Collected
from modclaims.runs.settings import Settings

SHAPE = ModelShape("planted", 3, 2, 2, 8, 4, 32, 512)
POSITIONS = (5, 6, 7)


def texts(table, block=None):
    """A corpus of (category, stratum) counts."""
    rows = []
    for k, row in enumerate(table):
        for h, count in enumerate(row):
            for _ in range(count):
                name = f"t{len(rows):02d}"
                labels = {"category": f"c{k}", "topic": f"s{h}"}
                rows.append(Text(name, f"text {name}", labels, block and block(len(rows))))
    return Corpus("texts", tuple(rows))


def sizes(*counts):
    return texts([(n,) for n in counts])


def claims(*made):
    return [Collected(f"t.py::{type(c).__name__}{i}", None, c) for i, c in enumerate(made)]


def planned(made, corpus, shape=SHAPE, positions=POSITIONS, **options):
    """A plan without simulations."""
    reading = Reading(shape, (512,) * len(corpus), 512, positions)
    with mock.patch.object(plans, "detectable", return_value=None):
        return make_plan(claims(*made), corpus, reading, Settings(**options))


def only(claim, corpus, **options):
    return planned([claim], corpus, **options).claims[0]


def clustering(**constants):
    return claim_of(CategoryClustering, untrained=0, **constants)


def heads(**constants):
    return claim_of(HeadSelectivity, untrained=0, **constants)


def reading_of(model, corpus, settings):
    outline = read_outline(model, **settings.loading())
    return outline.reading(corpus, settings.tokens, Positions(settings.positions))
