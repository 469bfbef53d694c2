"""Operating states: found or told, and no fault hidden between them."""

import numpy as np
import pytest

from offkey import Pipeline
from offkey.datasets import read_labelled, simulate, simulate_clip
from offkey.decisions import Conformal
from offkey.detectors import Gaussian, PerState
from offkey.errors import InputError
from offkey.evaluation import auc

SECONDS = {"duration_s": 2.0, "rate": 8000}


def clips_of(speeds, numbers, fault=None):
    return [simulate_clip("fan", fault, number=i, speed=speeds[i % len(speeds)], snr_db=10, **SECONDS) for i in numbers]


@pytest.mark.parametrize(("speeds", "n_states"), [((1.0,), 1), ((1.0, 0.7), 2), ((1.0, 0.0), 2)])
def test_as_many_states_are_found_as_there_are(speeds, n_states):
    pipeline = Pipeline(PerState(), window_s=2.0, threshold=Conformal(0.1)).fit(clips_of(speeds, range(30)))
    assert len(pipeline.detector_.states_) == n_states
    assert any(f"Detectors of {n_states} operating state(s)" in note for note in pipeline.notes_)


@pytest.mark.real_data
def test_a_real_steady_fan_has_one_state(fan_files):
    assert Pipeline(PerState()).fit(fan_files).detector_.states_ == ["0"]


def test_a_fault_between_two_states_is_not_hidden():
    """Each state is tight, a line joins them, and what lies on the line is normal to one Gaussian only."""
    rng = np.random.default_rng(0)

    def windows(level, n):
        return level + rng.normal(0, 1, (n, 10, 8, 1))

    learn = np.concatenate([windows(-60, 40), windows(-50, 40)])
    normal = np.concatenate([windows(-60, 40), windows(-50, 40)])
    between = windows(-55, 40)
    labels = np.repeat([0, 1], [80, 40])
    areas = [
        auc(labels, detector.fit(learn).anomaly_score(np.concatenate([normal, between])))
        for detector in (Gaussian(), PerState())
    ]
    assert areas[0] < 0.5
    assert areas[1] > 0.99


def test_rare_states_count_to_the_nearest(normal_windows):
    far = normal_windows[:2] + 30
    known = {"speed": ["slow"] * 40 + ["fast"] * 20 + ["rare", "rare"]}
    detector = PerState(column="speed").fit(np.concatenate([normal_windows, far]), known)
    assert detector.states_ == ["fast", "slow"]


def test_simulated_speeds_stand_in_the_table_and_faults_need_a_running_machine(tmp_path):
    simulate(tmp_path, ["fan"], n_train=6, n_test_normal=4, n_test_anomaly=4, speeds=(1, 0), **SECONDS)
    table = read_labelled(tmp_path / "table.csv")
    assert set(table["speed"][table["label"] == 0]) == {0.0, 1.0}
    assert set(table["speed"][table["label"] == 1]) == {1.0}
    with pytest.raises(InputError, match="machine that is off"):
        simulate_clip("fan", "whine", speed=0, **SECONDS)
    with pytest.raises(InputError, match=r"The speed 2 was asked for"):
        simulate_clip("fan", speed=2, **SECONDS)
    with pytest.raises(InputError, match="At least one must be above 0"):
        simulate(tmp_path, ["fan"], speeds=(0,), **SECONDS)
