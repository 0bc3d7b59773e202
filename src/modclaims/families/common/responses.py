"""Responses: one number per text for each head, neuron or block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.recording import Activations, Recording
from modclaims.stats.evidence import Cell

Floats = NDArray[np.float64]


def responses(recording: Recording, request: Activations, unit: str) -> tuple[tuple[Cell, ...], Floats]:
    """Cells of a request and (text, cell) responses."""
    cells: list[Cell] = []
    columns: list[Floats] = []
    for layer in recording.shape.resolve_layers(request):
        array = np.asarray(recording.array(request, layer), dtype=np.float64)
        if request.reduce == "norm":
            column = array.mean(axis=1)
        elif request.reduce == "mean":
            column = array
        else:
            column = projections(array)
        column = column.reshape(len(column), -1)
        places = range(column.shape[1])
        if unit == "head":
            cells += [Cell(layer=layer, head=place) for place in places]
        elif unit == "neuron":
            cells += [Cell(layer=layer, axis=place) for place in places]
        else:
            cells.append(Cell(layer=layer))
        columns.append(column)
    return tuple(cells), np.concatenate(columns, axis=1)


def projections(array: Floats) -> Floats:
    """(text, head) mean projection of activations on each head's first singular direction, over all texts and positions.

    `array` is (text, position, [head,] unit). The direction knows no labels, so exchange of labels keeps it; its
    sign makes the largest loading positive.
    """
    wide = array if array.ndim == 4 else array[:, :, None, :]
    out = np.empty((wide.shape[0], wide.shape[2]))
    for head in range(wide.shape[2]):
        rows = wide[:, :, head].reshape(-1, wide.shape[3])
        _, vectors = np.linalg.eigh(rows.T @ rows)
        direction = vectors[:, -1]
        direction = direction * (np.sign(direction[np.abs(direction).argmax()]) or 1.0)
        out[:, head] = (wide[:, :, head] @ direction).mean(axis=1)
    return out
