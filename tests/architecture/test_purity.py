"""The pure rooms read no clock, file or chance, and the core no arithmetic that differs between machines."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source import PURE, ROOT, calls, dotted, imported, python_files, tree, where

IMPURE_MODULES = {
    "asyncio", "datetime", "glob", "io", "logging", "os", "pathlib", "random", "secrets", "selectors",
    "shutil", "signal", "socket", "structlog", "subprocess", "sys", "tempfile", "threading", "time",
    "uuid", "zmq",
}  # fmt: skip
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}

# Functions that go through BLAS, libm or a summation order of numpy's (or Python's) own choice: their last
# bits depend on the processor or the version. `ext` has the same functions with one result everywhere.
MACHINE_DEPENDENT = {
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "average", "cbrt",
    "convolve", "corrcoef", "cos", "cosh", "cov", "cross", "cumprod", "cumsum", "dot", "einsum", "exp",
    "exp2", "expm1", "float_power", "hypot", "inner", "interp", "log", "log10", "log1p", "log2",
    "logaddexp", "logaddexp2", "matmul", "mean", "nanmean", "nansum", "outer", "power", "prod", "sin",
    "sinc", "sinh", "std", "sum", "tan", "tanh", "tensordot", "trace", "trapezoid", "var", "vdot",
    "vecdot", "argpartition", "partition",
}  # fmt: skip
METHODS = {"cumsum", "dot", "mean", "prod", "std", "sum", "trace", "var"}
HARMLESS_MATH = {"math.sqrt", "math.isfinite", "math.floor", "math.ceil", "math.copysign"}
CORE = python_files("fusion/core")
# The one variable that kernels read: which instruction set a test forces.
ALLOWED = {("lanes.pyx", "os")}
# What IEEE 754 defines to the last bit.
EXACT = {"sqrt", "fabs", "INFINITY", "isfinite"}


@pytest.mark.parametrize("path", python_files(*PURE), ids=lambda p: str(p.relative_to(ROOT)))
def test_pure_rooms_know_no_clock_file_socket_or_chance(path: Path) -> None:
    module = tree(path)
    found = [
        f"{where(path, node)} imports {name}" for node, name in imported(module) if name in IMPURE_MODULES
    ]
    for node, name in calls(module):
        if name in IMPURE_CALLS or name.startswith(("np.random", "numpy.random")) or name.endswith(".now"):
            found.append(f"{where(path, node)} calls {name}")
    assert not found, "\n".join(found)


def test_kernels_import_nothing_impure() -> None:
    kernels = sorted((ROOT / "ext").glob("*.p[yx][xd]"))
    found = []
    for path in kernels:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            words = [*line.split(), ""]
            name = words[1].partition(".")[0] if words[0] in {"import", "from", "cimport"} else ""
            if name in IMPURE_MODULES and (path.name, name) not in ALLOWED:
                found.append(f"ext/{path.name}:{number}: {line.strip()}")
            if "libc.math" in line and not set(re.findall(r"\w+", line.partition("cimport")[2])) <= EXACT:
                found.append(f"ext/{path.name}:{number}: libm: {line.strip()}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.stem)
def test_core_iterates_over_no_set(path: Path) -> None:
    """A set's order depends on hashes; `sorted(...)`, `len(...)` and membership do not."""
    found = [where(path, node) for node in ast.walk(tree(path)) if iterates_over_a_set(node)]
    assert not found, f"iteration over a set: {', '.join(found)}"


def iterates_over_a_set(node: ast.AST) -> bool:
    """Whether a loop, a comprehension or list()/tuple()/enumerate()/iter() walks through a set expression."""
    if isinstance(node, ast.For | ast.comprehension):
        return is_set(node.iter)
    if isinstance(node, ast.Call) and dotted(node.func) in {
        "list",
        "tuple",
        "enumerate",
        "iter",
        "next",
        "zip",
        "map",
    }:
        return any(is_set(argument) for argument in node.args)
    return False


def is_set(node: ast.AST) -> bool:
    """Whether an expression is visibly a set: a display, set(), a set method or an operation on one."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub):
        return is_set(node.left) or is_set(node.right)
    if not isinstance(node, ast.Call):
        return False
    methods = ("intersection", "union", "difference", "symmetric_difference")
    return dotted(node.func) in {"set", "frozenset"} or (
        isinstance(node.func, ast.Attribute) and node.func.attr in methods and "np" not in dotted(node.func)
    )


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.stem)
def test_core_arithmetic_is_the_same_on_every_machine(path: Path) -> None:
    module = tree(path)
    found = [
        f"{where(path, node)}: {fault}" for node in ast.walk(module) if (fault := machine_dependent(node))
    ]
    assert not found, "\n".join(found)


def machine_dependent(node: ast.AST) -> str:
    """Why the value of this expression may differ between machines, or an empty text."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return "@ is BLAS: write the products out, or use ext.linalg"
    if (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Pow)
        and not isinstance(node.right, ast.UnaryOp)
    ):
        constant = isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)
        return "" if constant else "** is libm's pow: multiply"
    return called_machine_dependent(node) if isinstance(node, ast.Call) else ""


def called_machine_dependent(node: ast.Call) -> str:
    """Why the value of this call may differ between machines, or an empty text."""
    name = dotted(node.func)
    head, _, function = name.rpartition(".")
    numpy = head in {"np", "numpy"}
    if numpy and function in MACHINE_DEPENDENT:
        return f"{name}: use ext"
    if head.partition(".")[0] in {"math", "cmath"} and name not in HARMLESS_MATH:
        return f"{name} is libm: use ext.elementary"
    if head.startswith(("np.linalg", "numpy.linalg", "np.fft", "numpy.fft")):
        return f"{name} is LAPACK: use ext.linalg"
    if name == "sum" or (isinstance(node.func, ast.Attribute) and function in METHODS and not numpy):
        return f"{name}(): floats are added in a stated order, truths are counted with np.count_nonzero"
    if function == "argsort" and not any(k.arg == "kind" for k in node.keywords):
        return 'argsort without kind="stable": ties come in any order'
    return ""
