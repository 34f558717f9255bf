"""What CONTRIBUTING.md asks of every file, checked: size, docstrings, labels, packages, vocabulary."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import PRODUCT, ROOT, functions, imported, python_files, tree, where

FILE_LINES = 500
FUNCTION_LINES = 60
SOURCES = [p for p in python_files(*PRODUCT, "tests", "benchmarks") if p.name != "__init__.py"]
KERNELS = sorted((ROOT / "ext").glob("*.pyx"))
CONFIGS = sorted(p for p in (ROOT / "configs").rglob("*") if p.suffix in {".toml", ".geojson"})

# The subject is early warning and information sharing; these belong to what the product never says.
OUT_OF_SUBJECT = re.compile(r"interceptor|engagement|casualt|lethal|fire.?control|kill.?(chain|prob)", re.I)


def test_files_are_short() -> None:
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in [*SOURCES, *KERNELS]}
    long = [f"{p.relative_to(ROOT)}: {n} lines" for p, n in lines.items() if n > FILE_LINES]
    assert not long, "\n".join(long)


def test_functions_are_short() -> None:
    long = [
        f"{where(path, node)} {node.name}: {length} lines"
        for path in SOURCES
        for node in functions(tree(path))
        if (length := body_lines(node)) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function after its docstring."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or first.lineno) - first.lineno + 1


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_public_kernels_have_docstrings_and_types(path: Path) -> None:
    module = importlib.import_module(f"ext.{path.stem}")
    assert module.__doc__, "the module has no docstring"
    assert path.with_suffix(".pyi").exists(), "the module has no .pyi"
    public = [
        n for n, v in vars(module).items() if not n.startswith("_") and callable(v) and made_here(v, module)
    ]
    bare = [n for n in public if not own_docstring(getattr(module, n))]
    assert not bare, f"without a docstring: {', '.join(bare)}"


def made_here(value: object, module: object) -> bool:
    """Whether a callable was defined in this module."""
    return getattr(value, "__module__", None) == module.__name__  # type: ignore[attr-defined]


def own_docstring(value: object) -> str:
    """The docstring without the signature that Cython puts in its first line."""
    lines = (inspect.getdoc(value) or "").splitlines()
    name = getattr(value, "__name__", "")
    return "\n".join(lines[1:] if lines and lines[0].startswith(f"{name}(") else lines).strip()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(ROOT / "configs")))
def test_every_configuration_says_that_it_is_notional(path: Path) -> None:
    assert "NOTIONAL" in path.read_text(encoding="utf-8").upper()


def test_every_package_is_declared() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = set(setup["tool"]["setuptools"]["packages"])
    there = {".".join(p.relative_to(ROOT).parent.parts) for p in python_files(*PRODUCT)}
    assert there == declared


def test_no_module_speaks_of_anything_beyond_warning() -> None:
    found = [
        f"{where(path, node)}: {text}"
        for path in python_files(*PRODUCT)
        for node in ast.walk(tree(path))
        for text in words_of(node)
        if OUT_OF_SUBJECT.search(text)
    ]
    found += [
        str(p.relative_to(ROOT)) for p in CONFIGS if OUT_OF_SUBJECT.search(p.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def words_of(node: ast.AST) -> list[str]:
    """Texts and names that a syntax node puts into the product."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    names = [getattr(node, field, None) for field in ("id", "attr", "name", "arg")]
    return [name for name in names if isinstance(name, str)]


def test_test_folders_are_packages() -> None:
    """Two folders may then hold test modules of the same name."""
    folders = {path.parent for path in python_files("tests")}
    assert sorted(str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()) == []


def test_every_library_is_declared() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, extras = setup["project"], setup["project"]["optional-dependencies"]
    listed = [*project["dependencies"], *(d for extra in extras.values() for d in extra)]
    declared = {re.split(r"[\[<>=]", d)[0] for d in listed}
    used = {
        name
        for path in python_files(*PRODUCT)
        for _, name in imported(tree(path))
        if name not in sys.stdlib_module_names and name not in PRODUCT
    }
    distribution = {"zmq": "pyzmq", "PIL": "pillow"}
    assert sorted({distribution.get(name, name) for name in used} - declared) == []


def test_command_line_loads_the_reference_backend_only_on_request() -> None:
    probe = "import sys, fusion.cli; sys.exit('filterpy' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT).returncode == 0


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    link = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    links = [(page, to) for page in pages for to in link.findall(page.read_text(encoding="utf-8"))]
    broken = [f"{page.relative_to(ROOT)}: {to}" for page, to in links if not (page.parent / to).exists()]
    assert not broken, "\n".join(broken)
