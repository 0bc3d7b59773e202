"""Token positions that are read in every text."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.errors import UsageError


@dataclass(frozen=True)
class Positions:
    """Token positions read in every text, counted from 0 with the leading special tokens included.

    `last:N:S` is N positions with stride S that end at the last token kept (`last:10:4` of 512 tokens is
    475, 479, ..., 511); `START:STOP:STEP` is Python's range; `475,479` names them.
    """

    spec: str = "last:10:4"

    def resolve(self, tokens: int) -> tuple[int, ...]:
        """The positions as ascending indices below `tokens`. Raises `UsageError` if one lies outside."""
        spec = self.spec.strip()
        wrong = UsageError(
            f"Positions {spec!r} are not understood; write last:N:STRIDE (such as last:10:4), "
            "START:STOP:STEP (such as 475:512:4) or single positions (such as 475,479)."
        )
        try:
            if spec.startswith("last:"):
                count, stride = (int(part) for part in spec.removeprefix("last:").split(":"))
                if count < 1 or stride < 1:
                    raise wrong
                found = tuple(tokens - 1 - stride * k for k in reversed(range(count)))
            elif ":" in spec:
                found = tuple(range(*(int(part) for part in spec.split(":"))))
            else:
                found = tuple(sorted({int(part) for part in spec.split(",")}))
        except (ValueError, TypeError):
            raise wrong from None
        if not found or min(found) < 0:
            raise UsageError(
                f"Positions {spec!r} of {tokens} tokens give {list(found)}: none may be negative and at least one is needed."
            )
        if max(found) >= tokens:
            raise UsageError(
                f"Position {max(found)} of {spec!r} lies beyond the {tokens} tokens kept of each text; "
                "raise --tokens or name earlier positions."
            )
        return found
