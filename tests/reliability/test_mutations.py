"""Whatever happens to a bundle: no crash, and no answer but the right one.

The longer run, with 10,000 mutants and more, is `benchmarks/soak.py`.
"""

import json
import random
import shutil
import sys

import pytest

import mutations
from campaign import VICTIM, Campaign
from served import Served
from tnn_tflite import read_bundle

KINDS = ("float_bundle", "int8_bundle", "single_bundle", "int8_single_bundle", "controlled_bundle")
KINDS += ("segments_bundle", "level_segments_bundle")


@pytest.fixture(params=KINDS)
def sound(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def campaign(sound, tmp_path):
    campaign = Campaign(sound, tmp_path)
    yield campaign
    campaign.close()


def test_damaged_bundles_are_refused_or_answer_as_before(campaign):
    campaign.run(range(80), sealed=False)
    assert campaign.violations == []
    outcomes = {outcome for _, outcome in campaign.outcomes}
    # All the ways were seen; else the mutants are too weak or too strong to tell anything.
    assert {"refused by the manifest's reader", "answers as the sound one"} <= outcomes
    assert "refused by the trial with an error" in outcomes


def test_no_attackers_bundle_kills_the_reader(campaign):
    campaign.run(range(80), sealed=True)
    assert campaign.violations == []
    assert "answers for itself" in {outcome for _, outcome in campaign.outcomes}


def test_the_campaign_sees_a_wrong_answer(float_bundle, int8_bundle, tmp_path, monkeypatch):
    """If hashes told nothing, the law would be broken and it would be seen."""
    import campaign

    def swap(directory, draw, sealed):
        shutil.rmtree(directory)
        shutil.copytree(int8_bundle, directory)
        return "another bundle"

    monkeypatch.setattr(campaign, "mutate_bundle", swap)
    run = Campaign(float_bundle, tmp_path)
    run.run(range(1), sealed=False)
    run.close()
    assert run.violations == ["seed=0 sealed=False another bundle: WRONG ANSWER"]


def test_one_process_opens_damaged_bundles_with_a_trial(sound, tmp_path):
    """As users do: a `Dispatcher` each, in one process that has to live through all of them."""
    victim = Served([sys.executable, str(VICTIM)], seconds=60)
    for seed in range(6):
        mutant = shutil.copytree(sound, tmp_path / f"mutant{seed}")
        mutations.mutate_bundle(mutant, random.Random(seed), sealed=True)
        answer = victim.ask(json.dumps({"directory": str(mutant), "trial": True}) + "\n")
        assert answer.get("error", "BundleError") == "BundleError", answer
    victim.close()


@pytest.mark.parametrize("kind", [kind for kind, _ in mutations.FILE_MUTATIONS])
def test_each_mutation_changes_a_file_and_sealing_hides_it(float_bundle, tmp_path, kind):
    change = dict(mutations.FILE_MUTATIONS)[kind]
    bundle = shutil.copytree(float_bundle, tmp_path / "bundle")
    path = bundle / "u1.0.tflite"
    before, seed = path.read_bytes(), 0
    while path.read_bytes() == before:
        path.write_bytes(change(before, random.Random(seed)))
        seed += 1
    assert seed < 20
    mutations.seal(bundle)
    opened = read_bundle(bundle)
    assert opened.read_level(opened.levels[1]) == path.read_bytes()
