"""Where Python finds a module of the project or of an installed package, and a digest of its source. Nothing is imported."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from importlib.machinery import PathFinder
from pathlib import Path

from homeostat.core.ids import digest


def find_module(name: str, root: Path) -> Path | None:
    """The file of a module, found in the folder first and then among what is installed; None: there is none."""
    importlib.invalidate_caches()  # a file may have been written just now
    top, *below = name.split(".")
    try:
        spec = PathFinder.find_spec(top, [str(root)]) or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    for part in below:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations))
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return Path(spec.origin)


def source_digest(file: Path, root: Path) -> str:
    """A digest of a module's file together with the files of the folder that it imports, these in turn included."""
    found: dict[str, str] = {}
    open_ = [file]
    while open_:
        path = open_.pop()
        content = path.read_bytes()
        own = _is_of(path, root)
        name = path.relative_to(root).as_posix() if own else path.name
        if name in found:
            continue
        found[name] = digest(content)
        if own:
            modules = (find_module(each, root) for each in _imported(content, path.parent.relative_to(root).parts))
            open_ += [each for each in modules if each is not None and _is_of(each, root)]
    return digest(found)


def _is_of(path: Path, root: Path) -> bool:
    """Whether a file is of the project itself, not of an environment that lies in its folder."""
    return path.is_relative_to(root) and "site-packages" not in path.parts


def top_names(file: Path) -> set[str] | None:
    """The names a module defines or imports at its top level; None when its source does not tell."""
    tree = _parsed(file.read_bytes()) if file.suffix == ".py" else None
    if tree is None:
        return None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(each.name == "*" for each in node.names):
            return None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {each.asname or each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _parsed(content: bytes) -> ast.Module | None:
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError):
        return None


def _imported(content: bytes, package: tuple[str, ...]) -> set[str]:
    """The modules that a source imports, by their full names where they can be told; of ``from a import b`` both a and a.b."""
    tree = _parsed(content)
    found: set[str] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{each.name}" if base else each.name for each in node.names)}
    return {name for name in found if name and "*" not in name}
