"""Our own source files and what the architecture tests ask of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("configs", "ext", "fusion", "sensors", "sharing")
PURE_SHARING = (
    "messages", "schema", "typed", "wire", "draws", "terms", "marking", "policy", "coarsening", "release",
    "matrix",
)  # fmt: skip
PURE = ("fusion/core", "fusion/metrics", *(f"sharing/{name}.py" for name in PURE_SHARING))


def python_files(*places: str) -> list[Path]:
    """Python files under `places` (folders or files relative to the checkout), sorted."""
    found: list[Path] = []
    for place in places:
        path = ROOT / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def tree(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def where(path: Path, node: ast.AST) -> str:
    """``file:line`` of a node, relative to the checkout."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for a name or a chain of attributes, else an empty text."""
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return node.id if isinstance(node, ast.Name) else ""


def calls(module: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the dotted name of what it calls (empty when it is no plain name)."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(module: ast.Module) -> list[tuple[ast.stmt, str]]:
    """Every imported module by its first name, with the statement."""
    found: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found += [(node, alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append((node, node.module.partition(".")[0]))
    return found
