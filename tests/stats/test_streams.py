"""Random streams keyed by what they are for."""

from __future__ import annotations

import numpy as np
import pytest

from modclaims.stats.streams import stream


def test_one_key_gives_one_stream() -> None:
    again = [stream(3, "Claim", "digest", "relabellings").integers(0, 2**62, 8) for _ in range(2)]
    np.testing.assert_array_equal(*again)


@pytest.mark.parametrize(
    ("seed", "key"),
    [
        (4, ("Claim", "digest", "relabellings")),
        (3, ("Other", "digest", "relabellings")),
        (3, ("Claim", "other", "relabellings")),
        (3, ("Claim", "digest", "resamples")),
        (3, ("Claimdigest", "relabellings")),
        (3, ("Claim", "digest relabellings")),
    ],
)
def test_another_seed_claim_design_or_purpose_gives_another_stream(seed: int, key: tuple[str, ...]) -> None:
    here = stream(3, "Claim", "digest", "relabellings").integers(0, 2**62, 8)
    assert not np.array_equal(here, stream(seed, *key).integers(0, 2**62, 8))


def test_a_stream_is_the_same_on_every_machine() -> None:
    # golden: PCG64 of numpy 2.4.6, SeedSequence of the SHA-256 of "0\x1fa"
    assert stream(0, "a").integers(0, 1000, 4).tolist() == [548, 334, 718, 450]
