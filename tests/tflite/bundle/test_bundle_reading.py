"""A bundle that is not what it should be gives a `BundleError` that says what to do."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tnn_tflite import Bundle, BundleError, Dispatcher, TensorSpec, read_bundle


def change_manifest(directory, change):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("manifest_sha256", None)  # changed on purpose
    change(manifest)
    path.write_text(json.dumps(manifest))


def set_key(*path, value):
    """Returns a change that sets one entry of a manifest."""

    def change(manifest):
        *parents, last = path
        for key in parents:
            manifest = manifest[key]
        manifest[last] = value

    return change


def drop_key(*path):
    def change(manifest):
        *parents, last = path
        for key in parents:
            manifest = manifest[key]
        del manifest[last]

    return change


def of_all(tensors, shape):
    """Returns a change of the shape of the first input or output of every program."""

    def change(manifest):
        for program in manifest["programs"]:
            program[tensors][0]["shape"] = shape

    return change


def twice(entries):
    entries.append(entries[0])


def test_reads_what_was_written(shared_bundle, networks):
    bundle = read_bundle(shared_bundle)
    assert isinstance(bundle, Bundle)
    assert bundle.format_version == 3
    assert bundle.inputs == (TensorSpec("image", (8, 8, 3), "float32"),)
    assert bundle.outputs == (TensorSpec("logits", (4,), "float32"),)
    assert [level.utilization for level in bundle.levels] == [0.25, 0.5, 1.0]
    # By hand: 6 * 6 positions * 3 * 3 * 3 weights * width, then 6 * 6 * width * 4.
    assert [level.macs for level in bundle.levels] == [36 * (27 + 4) * w for w in (2, 4, 8)]
    assert [v.parameters for v in bundle.levels] == [n.count_params() for n in networks.values()]
    for level in bundle.levels:
        assert len(bundle.read_level(level)) == level.bytes


def test_missing_folder(tmp_path):
    with pytest.raises(BundleError, match="no such folder. Check the path"):
        read_bundle(tmp_path / "nothing")


def test_a_file_is_no_folder(shared_bundle):
    with pytest.raises(BundleError, match="Received: a file"):
        read_bundle(shared_bundle / "manifest.json")


def test_missing_manifest(bundle):
    (bundle / "manifest.json").unlink()
    with pytest.raises(BundleError, match="Expected a file 'manifest.json'. Received: no such"):
        read_bundle(bundle)


def test_half_written_manifest(bundle):
    text = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(text[: len(text) // 2])
    with pytest.raises(BundleError, match="Expected complete JSON .* convert the model again"):
        read_bundle(bundle)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000])
def test_manifest_that_does_not_parse(bundle, content):
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match="Expected complete JSON"):
        read_bundle(bundle)


def test_huge_manifest(bundle):
    with open(bundle / "manifest.json", "ab") as file:
        file.truncate(2**40)  # sparse: 1 TiB that takes no space and fits into no memory
    with pytest.raises(BundleError, match="at most 4194304 bytes"):
        read_bundle(bundle)


def test_newer_format(bundle):
    change_manifest(bundle, set_key("format_version", value=4))
    with pytest.raises(BundleError, match="at most 3 .* Received: 4. .* upgrade keras-tnn"):
        read_bundle(bundle)


def test_newer_format_is_told_even_if_the_rest_is_unknown(bundle):
    (bundle / "manifest.json").write_text('{"format": "tnn_tflite", "format_version": 7}')
    with pytest.raises(BundleError, match="upgrade keras-tnn"):
        read_bundle(bundle)


FIRST = ("programs", 0)
WRONG_VALUES = [
    (("format",), "zip", '"tnn_tflite" for `format`'),
    (("format_version",), "1", "an integer, at least 1 for `format_version`"),
    (("format_version",), True, "an integer, at least 1 for `format_version`"),
    ((*FIRST, "inputs"), [], "a filled list for `programs.0..inputs`"),
    ((*FIRST, "inputs"), {}, "a filled list for `programs.0..inputs`"),
    ((*FIRST, "inputs", 0), 3, r"an object for `programs\[0\].inputs\[0\]`"),
    ((*FIRST, "inputs", 0, "name"), "", r"a string for `.*inputs\[0\].name`"),
    (
        (*FIRST, "inputs", 0, "shape"),
        [8, -8, 3],
        r"positive integers for `.*inputs\[0\].shape`",
    ),
    ((*FIRST, "inputs", 0, "shape"), 8, r"positive integers for `.*inputs\[0\].shape`"),
    (
        (*FIRST, "inputs", 0, "dtype"),
        "object",
        r"one of float32.* for `.*inputs\[0\].dtype`",
    ),
    (
        (*FIRST, "outputs", 0, "dtype"),
        ["float32"],
        r"one of float32.* for `.*outputs\[0\].dtype`",
    ),
    (("programs",), [], "a filled list for `programs`"),
    ((*FIRST, "utilization"), 0, r"\(0, 1\] for `programs\[0\].utilization`"),
    ((*FIRST, "utilization"), float("nan"), r"\(0, 1\] for `programs\[0\].utilization`"),
    ((*FIRST, "utilization"), 10**400, r"\(0, 1\] for `programs\[0\].utilization`"),
    ((*FIRST, "utilization"), "0.25", r"\(0, 1\] for `programs\[0\].utilization`"),
    ((*FIRST, "utilization"), True, r"\(0, 1\] for `programs\[0\].utilization`"),
    ((*FIRST, "macs"), -1, r"an integer, at least 0 for `programs\[0\].macs`"),
    ((*FIRST, "parameters"), 1.5, r"an integer, at least 0 for `programs\[0\].parameters`"),
    ((*FIRST, "bytes"), 0, r"an integer, at least 1 for `programs\[0\].bytes`"),
    ((*FIRST, "sha256"), "0" * 63, r"64 hexadecimal digits.* for `programs\[0\].sha256`"),
    ((*FIRST, "sha256"), "G" * 64, r"64 hexadecimal digits.* for `programs\[0\].sha256`"),
    ((*FIRST, "file"), None, r"a string for `programs\[0\].file`"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG_VALUES)
def test_wrong_value(bundle, path, value, message):
    change_manifest(bundle, set_key(*path, value=value))
    with pytest.raises(BundleError, match=message):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "path",
    [
        ("format",),
        ("programs",),
        (*FIRST, "role"),
        (*FIRST, "outputs"),
        (*FIRST, "macs"),
        (*FIRST, "file"),
    ],
)
def test_missing_key(bundle, path):
    change_manifest(bundle, drop_key(*path))
    with pytest.raises(BundleError, match=f"`{path[-1]}`|.{path[-1]}` .*Received: no such key"):
        read_bundle(bundle)


@pytest.mark.parametrize("value", [0.5, 0.75])
def test_levels_that_do_not_rise(bundle, value):
    change_manifest(bundle, set_key("programs", 0, "utilization", value=value))
    with pytest.raises(BundleError, match="levels that rise in utilization, each once"):
        read_bundle(bundle)


def test_two_levels_with_one_file(bundle):
    change_manifest(bundle, set_key("programs", 0, "file", value="u0.5.tflite"))
    with pytest.raises(BundleError, match="a file of its own for each program"):
        read_bundle(bundle)


def test_two_inputs_with_one_name(bundle):
    change_manifest(bundle, lambda m: twice(m["programs"][0]["inputs"]))
    with pytest.raises(BundleError, match="different names for `inputs`"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "name",
    ["/etc/hostname", "../outside.tflite", "..", ".", "sub/u.tflite", "C:u.tflite", "a\\b", "a\0b"],
)
def test_name_that_leaves_the_folder(bundle, name):
    (bundle.parent / "outside.tflite").write_bytes(b"secret")
    change_manifest(bundle, set_key("programs", 0, "file", value=name))
    with pytest.raises(BundleError, match="which leaves the folder. Do not use this bundle"):
        read_bundle(bundle)


def test_link_that_leaves_the_folder(bundle):
    os.replace(bundle / "u0.25.tflite", bundle.parent / "outside.tflite")
    (bundle / "u0.25.tflite").symlink_to(bundle.parent / "outside.tflite")
    with pytest.raises(BundleError, match="'u0.25.tflite', which leaves the folder"):
        read_bundle(bundle)


def test_link_inside_the_folder(bundle):
    os.replace(bundle / "u0.25.tflite", bundle / "content")
    (bundle / "u0.25.tflite").symlink_to("content")
    read_bundle(bundle)


def test_link_to_itself(bundle):
    (bundle / "u0.25.tflite").unlink()
    (bundle / "u0.25.tflite").symlink_to("u0.25.tflite")
    with pytest.raises(BundleError, match="Received: no such file"):
        read_bundle(bundle)


def test_pipe_in_place_of_a_file(bundle):
    (bundle / "u0.25.tflite").unlink()
    os.mkfifo(bundle / "u0.25.tflite")
    with pytest.raises(BundleError, match="Received: no such file"):
        read_bundle(bundle)


def test_missing_level_file(bundle):
    (bundle / "u0.5.tflite").unlink()
    with pytest.raises(BundleError, match="Expected a file 'u0.5.tflite'. Received: no such file"):
        read_bundle(bundle)


def test_level_file_that_was_cut_off(bundle):
    path = bundle / "u0.5.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="the file was cut off or replaced"):
        read_bundle(bundle)


def test_file_that_changes_after_opening(bundle, images):
    dispatcher = Dispatcher(bundle)
    path = bundle / "u0.5.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="Expected SHA-256 .* changed or damaged"):
        dispatcher(images, 0.5)
    dispatcher(images, 1.0)  # the other levels stand


@pytest.mark.parametrize("size", [-1, 1])
def test_size_that_changes_after_opening(bundle, size):
    opened = read_bundle(bundle)
    path = bundle / "u0.5.tflite"
    content = path.read_bytes()
    path.write_bytes(content[:size] if size < 0 else content + b"x")
    with pytest.raises(BundleError, match="another size"):
        opened.read_level(opened.levels[1])


def test_no_model_behind_a_right_hash(bundle, images):
    import hashlib

    content = b"no model at all"
    (bundle / "u0.5.tflite").write_bytes(content)
    change_manifest(bundle, set_key("programs", 1, "bytes", value=len(content)))
    digest = hashlib.sha256(content).hexdigest()
    change_manifest(bundle, set_key("programs", 1, "sha256", value=digest))
    with pytest.raises(BundleError, match="to be a TFLite model that .* can run"):
        Dispatcher(bundle)(images, 0.5)


def test_manifest_that_promises_huge_tensors(bundle):
    """Told by the file's own shapes, before anything of that size is made."""
    change_manifest(bundle, of_all("inputs", [10**6, 10**6, 10**6]))
    with pytest.raises(BundleError, match="Expected the tensors {'image': .*1000000"):
        Dispatcher(bundle).warm_up()


def test_manifest_that_promises_other_tensors(bundle, images):
    change_manifest(bundle, of_all("outputs", [5]))
    with pytest.raises(BundleError, match="Expected the tensors {'logits': .*5"):
        Dispatcher(bundle)(images)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_changed_byte_of_the_manifest_is_refused_or_harmless(bundle, data):
    """Whatever happens to the manifest, the reader gives a bundle or a `BundleError`."""
    path = bundle / "manifest.json"
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    value = data.draw(st.binary(max_size=3))
    path.write_bytes(original[:position] + value + original[position + 1 :])
    try:
        assert len(read_bundle(bundle).levels) == 3
    except BundleError as error:
        assert "Received" in str(error)
    finally:
        path.write_bytes(original)
