"""The cheapest way to give each row a column of its own (Kuhn 1955, by shortest augmenting paths)."""

from __future__ import annotations

import numpy as np

from .vision import Array


def assign(cost: Array) -> list[tuple[int, int]]:
    """Pairs (row, column) whose summed cost is least; as many as the shorter side has.

    cost: finite, (rows, columns).
    """
    if not cost.size:
        return []
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in assign(cost.T))
    rows, columns = cost.shape
    of_row, of_column = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, np.int64)  # rows counted from 1; column 0 is where a path starts
    for row in range(1, rows + 1):
        owner[0], at = row, 0
        least = np.full(columns + 1, np.inf)
        came = np.zeros(columns + 1, np.int64)
        done = np.zeros(columns + 1, bool)
        while True:
            done[at] = True
            here = owner[at]
            reduced = cost[here - 1] - of_row[here] - of_column[1:]
            better = ~done[1:] & (reduced < least[1:])
            least[1:][better], came[1:][better] = reduced[better], at
            nearest = int(np.where(done, np.inf, least).argmin())
            step = least[nearest]
            of_row[owner[done]] += step
            of_column[done] -= step
            least[~done] -= step
            at = nearest
            if owner[at] == 0:
                break
        while at:
            owner[at] = owner[came[at]]
            at = int(came[at])
    return sorted((int(owner[column]) - 1, column - 1) for column in range(1, columns + 1) if owner[column])
