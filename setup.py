"""Builds the Cython kernels of ``ext/``; everything else is declared in pyproject.toml.

The flags are the recipe of docs/decisions/kernels.md: the lane loops vectorise (``-fno-math-errno``) instead
of becoming calls of memcpy, the loops around them unroll, no multiply-add is contracted (same bytes on
every instruction set), and one shared object carries all instruction sets (``ext/lanes.h``), of which
``SHAREDSKY_ISA`` chooses one at run time.

With ``SHAREDSKY_KERNELS=later`` nothing is compiled: an editable install compiles to a place of its own and
forgets it, so that ``make`` installs without kernels and builds them beside their sources once.
"""

import os
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

FLAGS = [
    "-O2", "-ftree-vectorize", "-funroll-loops", "-fno-tree-loop-distribute-patterns",
    "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off",
]


def extensions() -> list[Extension]:
    """One extension module per ``ext/*.pyx``; none where they are to be built later."""
    if os.environ.get("SHAREDSKY_KERNELS") == "later":
        return []
    return [
        Extension(
            f"ext.{path.stem}",
            [path.as_posix()],
            include_dirs=["ext", numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
            extra_compile_args=FLAGS,
            depends=[*map(str, Path("ext").glob("*.h")), *map(str, Path("ext").glob("*.pxd"))],
        )
        for path in sorted(Path("ext").glob("*.pyx"))
    ]


setup(
    ext_modules=cythonize(
        extensions(),
        language_level=3,
        compiler_directives={
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
        },
    )
)
