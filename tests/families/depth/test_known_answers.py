"""Curves along depth are planted as they are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from modclaims.families.depth import known_answers as curves
from modclaims.families.depth.residual_phases import ResidualStream
from modclaims.planting import known
from modclaims.planting.known import LAWS, Layout
from modclaims.recording import Activations
from modclaims.stats.effects.chunks import Shares, contrasts
from modclaims.stats.effects.phases import Phases, out_of_sample
from modclaims.stats.streams import stream


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("effect", [0.0, 0.2, 0.6])
def test_phases_of_many_texts_reduce_the_lines_error_by_what_was_planted(law: str, effect: float) -> None:
    layout = Layout("large", (20000,))
    planted = curves.streamed(stream(8, law), layout, law, curves.of_reduction(effect, law))
    cosines = ResidualStream.of(planted, None, "ResidualPhases").cosines()
    divisions = Shares(0.5, 0.25, 0.25).divisions(curves.PHASED_LAYERS, "both")
    phases = Phases(divisions, curves.PHASED_LAYERS)
    found = out_of_sample(cosines, np.ones((1, 20000)), {"phases": phases.drawing, **phases.rivals()})
    mean = {name: errors.mean() for name, errors in found.items()}
    assert 1 - mean.pop("phases") / min(mean.values()) == pytest.approx(effect, abs=0.02)


def test_every_admissible_division_has_the_contrast_planted() -> None:
    layout, effect = Layout("large", (20000,)), 0.2
    planted = curves.attended(stream(9, "curve"), layout, "normal", curves.of_contrast(effect))
    request = Activations("attn_pattern", None, "first")
    mean = np.array([planted.array(request, i).mean() for i in range(known.LAYERS)])
    divisions = Shares(0.5, 0.25, 0.25).divisions(known.LAYERS, "both")
    found = np.tensordot(mean, contrasts(divisions, known.LAYERS, "both"), axes=1)
    assert len(divisions) == 2
    np.testing.assert_allclose(found.min(axis=0), effect, atol=0.005)
    one = np.tensordot(np.array(curves.RISEN), contrasts(divisions, known.LAYERS, "both"), axes=1)
    assert one.min(axis=0).max() == pytest.approx(0, abs=1e-12)
    assert one.max(axis=0).min() > 0.1
