"""Cython kernels; each module's ``.pxd`` is its contract and its ``.pyi`` its types."""
