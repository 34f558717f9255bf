"""Small products and inverses in fixed order, for matrices that lead to a picture: no BLAS."""

import numpy as np

from ext.linalg import cholesky
from sharing.messages import Floats


def product(a: Floats, b: Floats) -> Floats:
    """a (n, k) times b (k, m): terms added in the order of k."""
    total = np.zeros((a.shape[0], b.shape[1]))
    for k in range(a.shape[1]):
        total += a[:, k, None] * b[k, None, :]
    return total


def applied(a: Floats, x: Floats) -> Floats:
    """a (n, k) times the vector x (k,)."""
    vector: Floats = product(a, x[:, None])[:, 0]
    return vector


def inverse(a: Floats) -> tuple[Floats, float]:
    """Inverse (n, n) and determinant of a symmetric positive definite matrix, by its Cholesky factor.

    Golub and Van Loan, sections 3.1 and 4.2. Raises ValueError where it is not positive definite.
    """
    lower = cholesky(np.ascontiguousarray(a))
    n = len(lower)
    root, determinant = np.zeros((n, n)), 1.0
    for i in range(n):
        root[i, i] = 1.0
        for k in range(i):
            root[i] -= lower[i, k] * root[k]
        root[i] /= lower[i, i]
        determinant *= float(lower[i, i] * lower[i, i])
    return product(np.ascontiguousarray(root.T), root), determinant
