"""A recorder with planted activations: the house on data whose answer is known, without any network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modclaims.corpus import Corpus, Text
from modclaims.look import TestSettings
from modclaims.planning.context import PlanContext
from modclaims.recording import Activations, MemorySource, ModelShape, Recording

POSITIONS = 3


def before(corpus, shape=None, positions=(5, 6, 7), weighing=None):
    """What a plan knows of a run over a corpus, of a network of three layers unless told otherwise."""
    shape = shape or ModelShape("planted", 3, 2, 2, 16, 8, 64, 512)
    return PlanContext(corpus, shape, positions, weighing or TestSettings(), 8)


def planted_corpus(topics=4, styles=4, texts=3, name="planted"):
    """Texts fully crossed over two factors, with a category (the style); bodies of random words."""
    rng = np.random.default_rng(5)
    rows = []
    for t in range(topics):
        for s in range(styles):
            for i in range(texts):
                body = " ".join(f"w{v}" for v in rng.integers(0, 500, size=60))
                labels = {"topic": f"topic{t}", "style": f"style{s}", "category": f"style{s}"}
                rows.append(Text(f"{t}-{s}-{i}", body, labels))
    return Corpus(name, tuple(rows))


class PlantedRecorder:
    """Answers every request with noise, and with a category's direction at one layer (and one head of it)."""

    def __init__(self, layers=3, heads=2, width=16, at=1, head=1, effect=1.5, label="style", seed=0):
        self.shape = ModelShape(
            "planted",
            layers,
            heads,
            heads,
            width,
            width // heads,
            4 * width,
            512,
            provenance={"weights_sha256": f"{seed}"},
        )
        self.at, self.head, self.effect, self.label, self.seed = at, head, effect, label, seed
        self.calls = 0
        self.requests = ()

    def check(self, corpus, tokens, positions):
        positions.resolve(tokens)

    def record(self, corpus, requests, *, tokens, positions, progress=None):
        self.calls += 1
        self.requests = tuple(requests)
        arrays = {}
        for request in requests:
            if isinstance(request, Activations):
                for layer in self.shape.resolve_layers(request):
                    arrays[(request, layer)] = self._array(corpus, request, layer)
        return Recording(
            corpus,
            self.shape,
            tuple(range(POSITIONS)),
            tuple(t.body for t in corpus.texts),
            MemorySource(arrays),
            passes=len(corpus),
        )

    def _array(self, corpus, request, layer):
        heads = request.site in ("head_z", "head_write", "q", "k", "v")
        unit = self.shape.head_width if heads else self.shape.width
        out = []
        for text in corpus.texts:  # keyed by text, so that the order of rows changes nothing
            key = [self.seed, layer, *request.site.encode(), *(request.variant or "").encode(), *text.id.encode()]
            rng = np.random.default_rng(key)
            shape = (POSITIONS, self.shape.heads, unit) if heads else (POSITIONS, unit)
            x = rng.standard_normal(shape) + 0.8 * rng.standard_normal((1, *shape[1:]))
            if layer == self.at and request.variant is None and request.site != "embed":
                direction = np.random.default_rng([9, *text.labels[self.label].encode()]).standard_normal(unit)
                size = 1.0 + 0.5 * int(text.labels[self.label][-1])
                if heads:
                    x[:, self.head] += self.effect * size * direction
                else:
                    x += self.effect * (0.1 + 0.4 * size) * direction
            out.append(x)
        array = np.stack(out)
        if request.reduce == "norm":
            return np.sqrt((array**2).sum(axis=-1))
        return array.mean(axis=1) if request.reduce == "mean" else array


def shuffled(corpus, seed=0):
    """The same texts in another order."""
    order = np.random.default_rng(seed).permutation(len(corpus))
    return replace(corpus, texts=tuple(corpus.texts[i] for i in order))


def assert_bare_decides_alike(claim, recording, weighing):
    """TestSummary bare, a claim has the test and the bounds that it has with all that stands beside them."""
    bare, dressed = (claim.weigh(recording, replace(weighing, bare=b)) for b in (True, False))
    assert bare.cells == dressed.cells
    # where less is drawn, products have fewer rows, which some processors sum in another order
    np.testing.assert_allclose(bare.bounds.theta, dressed.bounds.theta, rtol=1e-13)
    np.testing.assert_allclose(bare.bounds.t, dressed.bounds.t, rtol=1e-12)
    assert (bare.test is None) == (dressed.test is None)
    if bare.test is not None:
        np.testing.assert_array_equal(bare.test.p_adjusted, dressed.test.p_adjusted)
    low, high = (claim.holds.levels(e, claim.smallest_effect, 0.05) for e in (bare, dressed))
    assert (low.p_plus, low.p_minus, low.cell) == (high.p_plus, high.p_minus, high.cell)
    assert not bare.exhibits
    assert not bare.controls
    assert dressed.exhibits
