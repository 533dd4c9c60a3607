"""Model files of other programs: an ONNX file, or a folder as MLflow writes it. Nothing of them is executed unless that is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from homeostat.core.ids import digest
from homeostat.core.plain_yaml import PlainLoader
from homeostat.errors import LearningError

if TYPE_CHECKING:
    from collections.abc import Iterator

ML_MODEL = "MLmodel"
FLAVOURS = ("homeostat", "onnx", "lightgbm", "xgboost", "sklearn")
"""Flavours of an MLflow model that are read, the first there is."""
MOST_BYTES = 700 << 20
"""A bundle holds the model twice, once as text, and has a limit of 1 GiB."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model as it was found: ``sha256`` over all its bytes, ``content`` of an ONNX one or a bundle of ours.

    ``columns`` are those that its signature names.

    ``data`` is the file that holds a model of another flavour, ``settings`` what MLflow wrote of the flavour.
    """

    path: Path
    flavour: str
    sha256: str
    content: bytes = b""
    columns: tuple[str, ...] = ()
    data: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)


def read_model(path: Path) -> ModelFile:
    """Find out what lies at a path, and read an ONNX model.

    Raises:
        LearningError: HS375, there is nothing, it is damaged, or of no kind that is read.
    """
    if path.is_dir():
        return _mlflow_folder(path)
    if path.name == ML_MODEL:
        return _mlflow_folder(path.parent)
    if not path.is_file():
        raise LearningError("HS375", "there is no such file or folder", place=str(path))
    return ModelFile(path, "onnx", _hash(path), _onnx_content(path))


def _hash(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their places in it."""
    try:
        if path.is_file():
            return digest(path.read_bytes())
        return digest({str(each.relative_to(path)): digest(each.read_bytes()) for each in sorted(path.rglob("*")) if each.is_file()})
    except OSError as error:
        raise LearningError("HS375", f"cannot be read: {error.strerror}", place=str(path)) from error


def _onnx_content(path: Path) -> bytes:
    """The model in one piece; what it keeps in files beside it is taken in."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        if path.stat().st_size > MOST_BYTES:
            raise LearningError("HS375", f"got {path.stat().st_size} bytes; allowed: {MOST_BYTES}", place=str(path))
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
        beside = sorted({each.value for tensor in _tensors(model) for each in tensor.external_data if each.key == "location"})
        if not beside:
            return content
        lost = [name for name in beside if not (path.parent / name).is_file()]
        if lost:
            step = "put it beside the model, or export the model in one file"
            raise LearningError("HS375", f"it keeps its numbers in {lost[0]!r}, which is not there", place=str(path), next_step=step)
        whole = onnx.load_model(str(path))
    except OSError as error:
        raise LearningError("HS375", f"cannot be read: {error.strerror}", place=str(path)) from error
    except (DecodeError, ValueError, onnx.checker.ValidationError) as error:
        reason = "the file is no ONNX model, or is cut off"
        raise LearningError("HS375", reason, place=str(path), next_step="export the model again") from error
    told: bytes = whole.SerializeToString(deterministic=True)
    return told


def _tensors(model: Any) -> Iterator[Any]:
    yield from (each for each in model.graph.initializer if each.data_location == each.EXTERNAL)


def _mlflow_folder(folder: Path) -> ModelFile:
    path = folder / ML_MODEL
    try:
        written = yaml.load(path.read_text(encoding="utf-8"), Loader=PlainLoader)  # noqa: S506 - a safe loader within limits
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = "it has no MLmodel file" if isinstance(error, FileNotFoundError) else "its MLmodel file cannot be read"
        raise LearningError("HS375", reason, place=str(folder), next_step="give an ONNX file, or the folder of an MLflow model") from error
    flavours = written.get("flavors") if isinstance(written, dict) else None
    flavours = flavours if isinstance(flavours, dict) else {}
    known = [name for name in FLAVOURS if isinstance(flavours.get(name), dict)]
    if not known:
        got = ", ".join(map(str, flavours)) or "none"
        raise LearningError("HS375", f"the model has the flavours {got}; read are {', '.join(FLAVOURS)}", place=str(path))
    flavour, settings = known[0], flavours[known[0]]
    named = settings.get("data") or settings.get("pickled_model") or ""
    data = (folder / str(named)).resolve()
    if not named or not data.is_relative_to(folder.resolve()) or not data.exists():
        raise LearningError("HS375", f"its {flavour} model, {str(named)!r}, is not there", place=str(path))
    said = {name: str(written[name]) for name in ("run_id", "model_id", "model_uuid", "mlflow_version") if written.get(name)}
    content = _onnx_content(data) if flavour == "onnx" else data.read_bytes() if flavour == "homeostat" else b""
    return ModelFile(folder, flavour, _hash(folder), content, _columns(written), data, settings, said)


def _columns(written: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the inputs in the signature, where it has names."""
    try:
        inputs = json.loads(written["signature"]["inputs"])
        return tuple(str(each["name"]) for each in inputs)
    except (KeyError, TypeError, ValueError):
        return ()


def load_estimator(found: ModelFile) -> Any:
    """The model object of a flavour that is no ONNX. What was pickled runs code of whoever made it: the caller was told to trust it.

    Raises:
        LearningError: HS384, its library or MLflow is not installed; HS375, it cannot be loaded.
    """
    try:
        if found.flavour == "lightgbm" and is_native(found):
            import lightgbm

            return lightgbm.Booster(model_file=str(found.data))
        if found.flavour == "xgboost":
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(str(found.data))
            return booster
        from homeostat.infra.mlflow_server import quiet_mlflow

        mlflow = quiet_mlflow()
        module = mlflow.lightgbm if found.flavour == "lightgbm" else mlflow.sklearn
        return module.load_model(str(found.path))
    except ImportError as error:
        package = {"lightgbm": "lightgbm", "xgboost": "xgboost"}.get(found.flavour, "scikit-learn")
        raise LearningError("HS384", f"{error.name or package} is needed to read it", place=str(found.path)) from error
    except LearningError:
        raise
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise LearningError("HS375", f"it cannot be loaded: {told}", place=str(found.path)) from error


def is_native(found: ModelFile) -> bool:
    """Whether a model of this flavour is in its library's own format, which holds numbers and no code."""
    if found.flavour == "lightgbm":
        return str(found.settings.get("model_class", "lightgbm.basic.Booster")) == "lightgbm.basic.Booster"
    return found.flavour in ("homeostat", "onnx", "xgboost")
