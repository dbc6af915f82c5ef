"""Nothing but a regular file in the folder is read, and never more of it than is expected."""

import json
import os
import shutil

import pytest

from mutations import seal
from tnn_tflite import BundleError, read_bundle
from tnn_tflite.bundle import folder


def edit(bundle, change):
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["manifest_sha256"]
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.fixture(params=["float_bundle", "single_bundle"])
def bundle(request, tmp_path):
    return shutil.copytree(request.getfixturevalue(request.param), tmp_path / "bundle")


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path):
    path.rename(path.parent.parent / "outside")
    path.symlink_to("../outside")


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.skipif(os.name != "posix", reason="makes pipes")
@pytest.mark.parametrize("replace", [replace_by_pipe, replace_by_link, replace_by_folder])
def test_a_file_that_is_replaced_after_it_was_checked(bundle, monkeypatch, replace):
    """A reader of a pipe that nobody writes would wait for ever."""
    opened = read_bundle(bundle)
    locate = folder.locate_file

    def locate_then_replace(directory, name):
        path = locate(directory, name)
        replace(path)
        return path

    monkeypatch.setattr(folder, "locate_file", locate_then_replace)
    with pytest.raises(BundleError, match="Expected a readable file"):
        opened.read_level(opened.levels[-1])


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "sub/x", "", "x" * 5000, "\ud800"])
def test_names_in_every_layout(bundle, name):
    (bundle.parent / "outside").write_bytes(b"secret")

    def rename(manifest):
        for record in [manifest.get("shared", {}), *manifest["programs"][-1:]]:
            record["file"] = name
        if "shared" in manifest:
            manifest["programs"] = manifest["programs"][-1:]

    edit(bundle, rename)
    with pytest.raises(BundleError, match="leaves the folder|no such file|a string for") as error:
        read_bundle(bundle)
    str(error.value).encode()  # can be printed


def test_a_link_out_of_the_folder(bundle):
    opened = read_bundle(bundle)
    replace_by_link(bundle / opened.levels[-1].file)
    with pytest.raises(BundleError, match="which leaves the folder"):
        read_bundle(bundle)


def test_a_huge_file_is_refused_before_it_is_read(bundle):
    huge = 2**40
    opened = read_bundle(bundle)
    os.truncate(bundle / opened.levels[-1].file, huge)  # sparse: it takes no space

    def agree(manifest):
        for record in [manifest["shared"]] if "shared" in manifest else manifest["programs"][-1:]:
            record["bytes"] = huge

    edit(bundle, agree)
    with pytest.raises(BundleError, match=f"at most {2**31} bytes"):
        read_bundle(bundle)


def test_a_level_much_larger_than_the_file_it_is_cut_from(single_bundle, tmp_path):
    bundle = shutil.copytree(single_bundle, tmp_path / "bundle")
    edit(bundle, lambda manifest: manifest["programs"][0].update(bytes=2**30))
    with pytest.raises(BundleError, match="times the shared file's size"):
        read_bundle(bundle)


def test_a_plan_that_unpacks_to_more_than_it_says(single_bundle, tmp_path):
    """A zip bomb: 100 MB of zeros in 100 kB. The level's size bounds what is unpacked."""
    import zlib

    from tnn_tflite.sharing.plan import FOOTER

    bundle = shutil.copytree(single_bundle, tmp_path / "bundle")
    path = bundle / "levels.tflite"
    content = path.read_bytes()
    base, _, count, magic = FOOTER.unpack(content[-FOOTER.size :])
    bomb = zlib.compress(bytes(10**8), 9)
    path.write_bytes(content[:base] + bomb + FOOTER.pack(base, 10**8, count, magic))
    seal(bundle)
    opened = read_bundle(bundle)
    with pytest.raises(BundleError, match="a plan of 100000000 bytes for"):
        opened.read_level(opened.levels[0])
