"""The bundle: deterministic, whole or refused."""

from __future__ import annotations

import io
import json
import zipfile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.errors import BundleError
from homeostat.graph.encode import dump_plan, load_plan
from homeostat.serving.bundle import FILES, Bundle, pack, unpack
from homeostat.serving.manifest import Manifest, load_manifest
from homeostat.serving.parity import ParityReport
from homeostat.serving.predictor import Predictor


@pytest.fixture(scope="module")
def bundle(models) -> Bundle:
    return models["binary"].bundle()


@pytest.fixture(scope="module")
def packed(bundle: Bundle) -> bytes:
    return pack(bundle)


def test_equal_models_give_equal_bytes_and_come_back_whole(models, packed: bytes) -> None:
    assert pack(models["binary"].bundle()) == packed
    back = unpack(packed)
    assert back.manifest == models["binary"].bundle().manifest
    assert dump_plan(load_plan(back.plan)) == dump_plan(models["binary"].plan)
    assert pack(back) == packed


def test_manifest_says_what_callers_need(bundle: Bundle, models) -> None:
    manifest = bundle.manifest
    assert [each.name for each in manifest.inputs] == ["temp", "hr", "holiday", "dteday", "season"]
    assert manifest.required() == ("temp", "hr", "holiday", "dteday", "season")
    assert manifest.accepted()[-2:] == ("cnt", "instant")
    assert (manifest.task, manifest.classes, manifest.threshold, manifest.target) == ("binary", ("few", "many"), 0.4, "cnt")
    hour = manifest.inputs[1]
    assert (hour.minimum, hour.maximum, hour.nullable) == (0.0, 23.0, True)
    assert (
        manifest.inputs[3].example
        == models["binary"].frame["dteday"].drop_nulls()[len(models["binary"].frame["dteday"].drop_nulls()) // 2].isoformat()
    )
    assert [each.name for each in manifest.outputs] == ["prediction", "probability"]
    assert load_manifest(manifest.to_json()) == manifest
    assert bundle.inputs() == models["binary"].plan.inputs


def test_an_input_is_never_also_ignored(models) -> None:
    assert models["regression"].bundle(ignored=["temp", "cnt"]).manifest.ignored == ("cnt",)


def test_parity_is_kept_in_the_manifest(bundle: Bundle) -> None:
    proved = unpack(pack(bundle.with_parity(ParityReport(10, 1e-12, 0))))
    assert proved.manifest.parity is not None
    assert (proved.manifest.parity.rows, proved.manifest.parity.max_difference, proved.manifest.parity.flips) == (10, 1e-12, 0)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject, packed: bytes) -> None:
    at = data.draw(st.integers(0, len(packed) - 1))
    flip = data.draw(st.integers(1, 255))
    with pytest.raises(BundleError) as caught:
        unpack(packed[:at] + bytes([packed[at] ^ flip]) + packed[at + 1 :])
    assert caught.value.code in {"HS401", "HS403"}


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_cut_or_extended_file_goes_unnoticed(data: st.DataObject, packed: bytes) -> None:
    cut = data.draw(st.integers(0, len(packed) - 1))
    for changed in (packed[:cut], packed + packed[:cut][:100] + b"x", b"x" + packed):
        with pytest.raises(BundleError):
            unpack(changed)


def _zip(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_foreign_zips_are_refused(packed: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name) for name in FILES}
    bad = {
        "rewritten": _zip(files),
        "bomb": _zip({**files, "model.onnx": bytes(50_000_000)}, zipfile.ZIP_DEFLATED),
        "path": _zip({"../manifest.json": b"{}", "model.onnx": b"", "plan.json": b""}),
        "more": _zip({**files, "evil.py": b""}),
        "none": _zip({}),
        "text": b"hello",
    }
    for content in bad.values():
        with pytest.raises(BundleError, match="HS401"):
            unpack(content)


def test_a_newer_format_says_so(bundle: Bundle) -> None:
    newer = msgspec.structs.replace(bundle.manifest, format=3)
    with pytest.raises(BundleError, match=r"HS403.*format 3.*up to 2"):
        unpack(pack(Bundle(bundle.graph, newer, bundle.plan)))
    raw = json.loads(bundle.manifest.to_json())
    with pytest.raises(BundleError, match="HS401"):
        load_manifest(json.dumps({**raw, "task": "ranking"}).encode())


def test_a_manifest_of_another_model_is_found_out(bundle: Bundle) -> None:
    other: Manifest = msgspec.structs.replace(bundle.manifest, threshold=0.9)
    with pytest.raises(BundleError, match="compiled for other inputs"):
        Predictor(Bundle(bundle.graph, other, bundle.plan))
    with pytest.raises(BundleError, match="cannot be loaded"):
        Predictor(Bundle(b"junk", bundle.manifest, bundle.plan))
