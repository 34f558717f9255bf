"""Builds the Cython kernels of ``ext/``; everything else is declared in pyproject.toml.

The flags are the recipe of docs/decisions/kernels.md: the loops vectorise (``-fno-math-errno``), no
multiply-add is contracted (same bytes on every instruction set), and one shared object carries all
instruction sets (``target_clones`` in ``ext/lanes.h``). ``SHAREDSKY_BUILD_ISA=avx512|avx2|baseline``
builds a single one, for tests.
"""

import os
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

FLAGS = ["-O2", "-ftree-vectorize", "-fno-math-errno", "-ffp-contract=off"]
FORCED = {"avx512": 3, "avx2": 2, "baseline": 1}


def macros() -> list[tuple[str, str]]:
    """Preprocessor definitions of every kernel."""
    isa = os.environ.get("SHAREDSKY_BUILD_ISA")
    forced = [("SHAREDSKY_FORCED_ISA", str(FORCED[isa]))] if isa else []
    return [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), *forced]


def extensions() -> list[Extension]:
    """One extension module per ``ext/*.pyx``."""
    return [
        Extension(
            f"ext.{path.stem}",
            [path.as_posix()],
            include_dirs=["ext", numpy.get_include()],
            define_macros=macros(),
            extra_compile_args=FLAGS,
            depends=["ext/lanes.h", *map(str, Path("ext").glob("*.pxd"))],
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
