"""Products: an operator that only offers these, checked, scaled and turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.spectra.spectrum import sides

Floats = NDArray[np.float64]


class Products:
    """An operator whose products are checked and scaled, turned so that it has no more columns than rows.

    Vectors are rows here, (vector, component). `scale` is a power of two, so that squares stay in range and scaling
    the operator by a power of two changes no bit of what is relative.
    """

    def __init__(self, operator: object) -> None:
        from scipy.sparse.linalg import aslinearoperator

        try:
            self.operator = aslinearoperator(operator)
        except TypeError:
            raise ClaimError(
                f"{type(operator).__name__} offers no products; a spectrum is estimated of a matrix or of an object with "
                "shape, matvec and rmatvec."
            ) from None
        rows, columns = (int(side) for side in self.operator.shape)
        self.shape = (rows, columns)
        self.dtype = self.operator.dtype
        if not rows or not columns or (self.dtype is not None and np.dtype(self.dtype).kind not in "fiub"):
            raise ClaimError(
                f"A spectrum needs a real operator that is not empty; found {self.dtype}, {sides(self.shape)}."
            )
        self.turned = rows < columns
        self.rows, self.columns = max(self.shape), min(self.shape)
        self.scale = 1.0

    def forward(self, x: Floats) -> Floats:
        """(vector, row) J x for each of the vectors (vector, column)."""
        return self._product(x, "rmatmat" if self.turned else "matmat", self.rows)

    def adjoint(self, y: Floats) -> Floats:
        """(vector, column) J' y for each of the vectors (vector, row)."""
        return self._product(y, "matmat" if self.turned else "rmatmat", self.columns)

    def _product(self, x: Floats, name: str, side: int) -> Floats:
        try:
            found = np.asarray(getattr(self.operator, name)(x.T))
        except (NotImplementedError, TypeError) as fault:  # scipy's way of saying that there is no such product
            raise ClaimError(
                f"The {sides(self.shape)} operator has no {name} ({fault}); both J x and J'y are needed."
            ) from fault
        if found.shape != (side, len(x)):
            raise ClaimError(
                f"{name} of the {sides(self.shape)} operator gave shape {found.shape}, not {(side, len(x))}."
            )
        wrong = int(found.size - np.isfinite(found).sum())
        if wrong:
            raise ClaimError(
                f"The {sides(self.shape)} operator has no spectrum: {wrong} of {found.size} numbers are not finite in its "
                f"products with {len(x)} finite vectors. Look for overflow or division by zero in what it linearises."
            )
        out = np.array(found.T, dtype=np.float64, order="C")
        out *= self.scale
        return out
