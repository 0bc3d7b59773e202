"""Positions, resolved."""

import pytest

from modclaims.errors import UsageError
from modclaims.recording import Positions


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("last:10:4", tuple(range(475, 512, 4))),
        ("475:512:4", tuple(range(475, 512, 4))),
        ("475,479", (475, 479)),
        ("479, 475, 475", (475, 479)),
        ("0", (0,)),
    ],
)
def test_positions_resolve(spec, found):
    assert Positions(spec).resolve(512) == found


@pytest.mark.parametrize("spec", ["last:10", "last:a:b", "last:0:4", "last:200:4", "512", "-1", "5:5", "a", ""])
def test_positions_that_cannot_be_are_refused(spec):
    with pytest.raises(UsageError):
        Positions(spec).resolve(512)
