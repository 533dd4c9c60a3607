"""Modules are found beside the charter and among what is installed, without being run; a digest changes with all they are made of."""

from __future__ import annotations

from pathlib import Path

import sklearn

from homeostat.infra.modules import find_module, source_digest, top_names


def test_the_folder_comes_first_then_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "learners.py").write_text("raise SystemExit('not run')")
    (tmp_path / "pack" / "deep").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "deep" / "own.py").write_text("")
    assert find_module("learners", tmp_path) == tmp_path / "learners.py"
    assert find_module("pack.deep.own", tmp_path) == tmp_path / "pack" / "deep" / "own.py"
    assert find_module("sklearn.linear_model", tmp_path) == Path(sklearn.__file__).parent / "linear_model" / "__init__.py"
    for name in ("nowhere", "learners.inner", "pack.deep", "sklearn.nowhere", "sys"):
        assert find_module(name, tmp_path) is None, name


def test_the_digest_follows_what_the_project_itself_imports(tmp_path: Path) -> None:
    main, part, deep, other = (tmp_path / name for name in ("main.py", "part.py", "pack/deep.py", "other.py"))
    deep.parent.mkdir()
    main.write_text("import numpy\nfrom part import x\n")
    part.write_text("def x():\n    from pack import deep\n")
    deep.write_text("from . import main\nA = 1\n")
    other.write_text("")
    first = source_digest(main, tmp_path)
    other.write_text("B = 1")
    assert source_digest(main, tmp_path) == first
    seen = {first}
    for path in (main, part, deep):
        path.write_text(path.read_text() + "# changed\n")
        seen.add(source_digest(main, tmp_path))
    assert len(seen) == 4


def test_names_of_a_module_where_its_source_tells_them(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text("import a.b\nfrom c import d as e\nif True:\n    F = 1\nclass G: ...\ndef h(): ...\n")
    assert top_names(file) == {"a", "e", "F", "G", "h"}
    for unknown in ("from x import *", "def broken("):
        file.write_text(unknown)
        assert top_names(file) is None
