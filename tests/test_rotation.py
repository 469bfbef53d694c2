"""Bearings and shafts: frequencies as published, and names where they are clear."""

import numpy as np
import pytest

from offkey.errors import InputError
from offkey.rotation import Bearing, Shaft

DRIVE_END = Bearing(9, 7.94, 39.04, name="drive-end")
ROLLERS = Bearing(16, 0.331, 2.815, 15.17)


def test_a_ball_bearing_has_the_multiples_that_its_data_set_states():
    """SKF 6205-2RS of the Case Western Reserve data, whose table gives twice the spin frequency as that of the ball."""
    found = DRIVE_END.bpfi, DRIVE_END.bpfo, DRIVE_END.ftf, 2 * DRIVE_END.bsf
    assert found == pytest.approx((5.4152, 3.5848, 0.39828, 4.7135), rel=1e-4)


def test_a_roller_bearing_under_an_angle_has_the_frequencies_that_its_data_set_states():
    """Rexnord ZA-2115 of the IMS data, at 2000 rpm: Qiu, Lee, Lin and Yu 2006, doi 10.1016/j.jsv.2005.03.007."""
    found = ROLLERS.frequencies(2000 / 60)
    assert found == pytest.approx({"BPFO": 236.4, "BPFI": 296.9, "BSF": 139.9, "FTF": 14.8}, rel=2e-3)


@pytest.mark.parametrize("bearing", [DRIVE_END, ROLLERS])
def test_both_rings_together_meet_each_element_once_per_revolution(bearing):
    assert bearing.bpfo + bearing.bpfi == pytest.approx(bearing.n_elements)
    assert bearing.bpfo == pytest.approx(bearing.n_elements * bearing.ftf)


@pytest.mark.parametrize("geometry", [(1, 8, 39), (9, 39, 8), (9, 0, 39), (9, 8, 39, 90)])
def test_a_bearing_that_cannot_be_built_is_refused(geometry):
    with pytest.raises(InputError, match="maker's table"):
        Bearing(*geometry)


@pytest.mark.parametrize("hz", [0, -25, np.nan, np.inf])
def test_a_shaft_that_does_not_turn_is_refused(hz):
    with pytest.raises(InputError, match="rpm / 60"):
        Shaft(hz)


def test_marks_lie_where_the_geometry_says():
    shaft = Shaft(30.0, [DRIVE_END], n_blades=5, mains_hz=50, lines={"belt": 11.0})
    places = {line.short: line.hz for line in shaft.marks()}
    assert [places[name] for name in ("1x", "2x", "3x", "blade", "2 blade")] == [30, 60, 90, 150, 300]
    assert [places[name] for name in ("mains", "2 mains", "belt")] == [50, 100, 11]
    assert places["2 BPFO"] == pytest.approx(2 * 3.5848 * 30, rel=1e-4)
    assert places["BPFI-1x"] == pytest.approx((5.4152 - 1) * 30, rel=1e-4)
    inside = shaft.marks(40, 100)
    assert [line.hz for line in inside] == sorted(hz for hz in places.values() if 40 <= hz <= 100)


def test_marks_by_order_are_those_at_one_revolution_per_second():
    shaft = Shaft(30.0, [DRIVE_END], mains_hz=50, lines={"belt": 11.0})
    expected = {line.short: line.hz / 30 for line in Shaft(30.0, [DRIVE_END]).marks()}
    assert {line.short: line.hz for line in shaft.by_order.marks()} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "name"),
    [
        (107.4, 107.4, "BPFO of the drive-end bearing: 107.4"),
        (105.8, 105.8, "BPFO of the drive-end bearing: 107.4"),  # 1.5 % slower, by slip
        (213.0, 216.0, "BPFO of the drive-end bearing: 2 x 107.4"),
        (29.5, 30.5, "shaft: 29.95"),
        (192.1, 192.1, "BPFI of the drive-end bearing, sideband of the shaft: 162.2 + 29.95"),
        (100.0, 100.0, None),  # no line
        (323.0, 323.0, None),  # 3 BPFO and 2 BPFI
        (80.0, 170.0, None),  # several lines
        (100.0, 125.0, None),  # one line, but too broad a band
        (0.0, 30.0, None),
    ],
)
def test_a_line_is_named_where_it_is_clear(low_hz, high_hz, name):
    line = Shaft(29.95, [DRIVE_END]).name(low_hz, high_hz)
    assert (str(line) if line else None) == name


def test_tones_anywhere_are_seldom_named():
    shaft = Shaft(29.95, [DRIVE_END, Bearing(8, 6.75, 28.5, name="fan-end")], mains_hz=60)
    rng = np.random.default_rng(0)
    named = [shaft.name(hz, hz) is not None for hz in 10 ** rng.uniform(1, 3.5, 4000)]
    assert 0.02 < np.mean(named) < 0.2


def test_no_line_is_named_as_another():
    shaft = Shaft(29.95, [DRIVE_END], mains_hz=60)
    named = {str(line): str(shaft.name(line.hz, line.hz) or line) for line in shaft.marks()}
    assert all(line == name for line, name in named.items())
    assert sum(shaft.name(line.hz, line.hz) is not None for line in shaft.marks()) > len(named) / 2
