"""Pictures show what they were given, say what they leave out, and are drawn without a warning."""

import inspect
import math
import sys

import numpy as np
import pytest

from offkey import Clip, Pipeline
from offkey.datasets import INJECTIONS
from offkey.detectors import Detector, Level
from offkey.errors import InputError, MissingExtraError, NotFittedError, ShapeError
from offkey.evaluation import Comparison, DetectorFigures, Difference, auc, partial_auc, roc_curve, wilson_interval
from offkey.evaluation.ladder import climb
from offkey.features import LogMel, frames_of
from offkey.pipeline import ScoredWindow

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from offkey import plots  # noqa: E402
from offkey.plots.base import STYLES  # noqa: E402

NAN = math.nan
LABELS = [0] * 30 + [1] * 10
SCORES = np.random.default_rng(0).normal(np.array(LABELS) * 1.5 + 5, 1.0)
SOME_NAN = np.where(np.arange(40) % 20 == 3, NAN, SCORES)
NOISE = np.random.default_rng(1).normal(0, 0.1, (2, 8000)).astype(np.float32)


def windows(scores):
    return [ScoredWindow(i, i + 2, i, i + 2, score, 0.5, score > 5) for i, score in enumerate(scores)]


def figures(detector, auc_, half=0.05):
    around = (auc_, auc_ - half, auc_ + half)
    return DetectorFigures(detector, "", *around, *around, 0.5, 0.4, 0.6, 0.1, 0.05, 0.2, 0.1, 1.0, 0.1, 100.0, 1e5)


def comparison(*rows):
    others = [Difference(row.detector, rows[0].detector, row.auc - rows[0].auc, -0.3, -0.1) for row in rows[1:]]
    return Comparison(list(rows), [], others, "", {"false_alarms": 0.1})


def ladder(fault="louder", band=None, first=(3, 3, 4, 4, 5, 5)):
    return climb(fault, band, INJECTIONS[fault].unit, INJECTIONS[fault].ladder, list(first))


def fitted(**parameters):
    """A pipeline with a small front end, fitted on noise in two channels."""
    clips = [Clip(np.roll(NOISE, 997 * i, axis=1), 8000, source=f"noise {i}") for i in range(12)]
    return Pipeline(Level(), features=LogMel(n_fft=256, hop_length=128, **parameters), window_s=0.2).fit(clips)


@pytest.fixture(scope="module")
def heard():
    return fitted(n_mels=20, fmin=50.0, fmax=3500.0)


class Drawn:
    """What can be given to a plot function: something usual, one thing, nothing, and something with NaN."""

    def __init__(self, usual, one, nothing, with_nan, said=None):
        self.ways = {"usual": usual, "one": one, "nothing": nothing, "NaN": with_nan}
        self.said = said or {}


CASES = {
    "plot_waveform": Drawn(
        [Clip(NOISE, 8000)], [Clip(np.ones(1), 8000)], [Clip(np.zeros(0), 8000)], None, {"nothing": "no samples"}
    ),
    "plot_log_mel": Drawn(
        [Clip(NOISE, 8000)], [Clip(NOISE[:, :256], 8000)], [Clip(NOISE[:, :255], 8000)], None,
        {"nothing": "shorter than a frame (256 samples)"},
    ),
    "plot_timeline": Drawn(
        [windows([1, 2, 9, 7, 4.8]), [], 5.0, 4.5], [windows([7]), [], 5.0, 4.5], [[], [], 5.0, 4.5],
        [windows([1, NAN, 9, NAN]), [], 5.0, NAN], {"nothing": "no windows", "NaN": "2 of 4 scores are NaN, not shown"},
    ),
    "plot_scores": Drawn(
        [LABELS, SCORES, 6.0], [[1], [3.0], 6.0], [[], [], 6.0], [LABELS, SOME_NAN, NAN],
        {"one": "no normal recordings", "nothing": "no recordings", "NaN": "2 of 40 scores are NaN, not shown"},
    ),
    "plot_roc": Drawn(
        [LABELS, SCORES], [[1], [3.0]], [[], []], [LABELS, SOME_NAN],
        {"one": "no normal recordings", "nothing": "no recordings", "NaN": "2 of 40 scores are NaN, not shown"},
    ),
    "plot_det": Drawn(
        [LABELS, SCORES], [[0], [3.0]], [[], []], [LABELS, SOME_NAN],
        {"one": "no anomalous recordings", "nothing": "no recordings", "NaN": "2 of 40 scores are NaN, not shown"},
    ),
    "plot_calibration": Drawn(
        [[0.01, 0.05, 0.2], [0.0, 0.06, 0.3]], [[0.05], [0.06]], [[], []], [[0.01, 0.05, 0.2], [0.02, NAN, 0.3]],
        {"nothing": "no rates", "NaN": "1 of 3 rates is NaN, not shown"},
    ),
    "plot_ladder": Drawn(
        [ladder()], [climb("louder", None, "dB", (1.0,), [0] * 5)], [ladder("leak", 1000, first=())],
        [ladder(first=(1, 2))], {"nothing": "not measured: 0 clips", "NaN": "not measured: 2 clips"},
    ),
    "plot_areas": Drawn(
        [comparison(figures("A()", 0.9), figures("B()", 0.7))], [comparison(figures("A()", 0.9))], [comparison()],
        [comparison(figures("A()", 0.9), figures("B()", NAN))], {"nothing": "no detectors", "NaN": "not measured"},
    ),
    "plot_training": Drawn(
        [{"loss": [9.0, 4.0, 0.5], "val_loss": [9.0, 5.0, 6.0]}], [{"loss": [2.0]}], [{"loss": []}],
        [{"loss": [9.0, NAN, 3.0], "val_loss": [NAN, NAN, NAN]}],
        {"nothing": "no epochs", "NaN": "1 of 3 training losses is NaN, not shown"},
    ),
}  # fmt: skip
WAYS = [(name, way) for name, case in CASES.items() for way, given in case.ways.items() if given is not None]


@pytest.fixture
def ax(tmp_path):
    """Axes that are saved at the end of the test, as a picture that a warning would have broken."""
    ax = Figure(figsize=(4, 3), layout="constrained").subplots()
    yield ax
    save(ax, tmp_path)


def save(ax, folder):
    ax.figure.savefig(folder / "picture.png", dpi=60)
    assert (folder / "picture.png").stat().st_size > 1000


def draw(name, way, heard, ax=None):
    before = [heard] if name == "plot_log_mel" else []
    return getattr(plots, name)(*before, *CASES[name].ways[way], ax=ax)


def words(ax):
    """Everything that stands on axes, without line breaks."""
    _, labels = ax.get_legend_handles_labels()
    return " ".join([*labels, *(text.get_text() for text in ax.texts), ax.get_xlabel()]).replace("\n", " ")


def labelled(ax):
    return {line.get_label(): line for line in ax.lines}


def test_all_functions_that_take_axes_are_tested_here():
    functions = {name: getattr(plots, name) for name in plots.__all__ if name.startswith("plot_")}
    takes_axes = {name for name, function in functions.items() if "ax" in inspect.signature(function).parameters}
    elsewhere = {"plot_explanation", "plot_profile", "plot_spectrogram"}
    assert takes_axes - set(CASES) == elsewhere, "those are tested in test_explain.py and test_explain_sensors.py"
    assert all(inspect.signature(functions[name]).parameters["ax"].default is None for name in CASES)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_whatever_is_given_is_drawn_and_what_is_missing_is_said(name, way, heard, ax):
    assert draw(name, way, heard, ax) is ax
    assert ax.get_xlabel()
    assert ax.get_ylabel() or name == "plot_areas"  # whose y axis names the detectors
    assert CASES[name].said.get(way, "") in words(ax)


@pytest.mark.parametrize("name", CASES)
def test_without_axes_the_current_ones_are_drawn_on(name, heard, tmp_path):
    _, (other, current) = pyplot.subplots(1, 2)
    try:
        pyplot.sca(current)
        assert draw(name, "usual", heard) is current
        assert not other.has_data()
        save(current, tmp_path)
    finally:
        pyplot.close(current.figure)


@pytest.mark.parametrize("name", CASES)
def test_without_matplotlib_the_extra_to_install_is_named(name, heard, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"offkey\[plots\]"):
        draw(name, "usual", heard)


@pytest.mark.parametrize("function", [plots.plot_scores, plots.plot_roc, plots.plot_det])
def test_labels_and_scores_that_do_not_fit_are_refused(function, ax):
    with pytest.raises(ShapeError, match=r"Labels \(3,\) and scores \(2,\)"):
        function([0, 1, 1], [1.0, 2.0], ax=ax)
    with pytest.raises(InputError, match="Use 0 for normal and 1 for anomaly"):
        function([0, 2], [1.0, 2.0], ax=ax)
    with pytest.raises(InputError, match="Use 0 for normal and 1 for anomaly"):
        function([0, None], [1.0, 2.0], ax=ax)
    assert not ax.has_data()


def test_curves_on_one_axes_differ_in_line_and_marker_not_only_in_colour():
    colours, lines, markers = zip(*STYLES, strict=True)
    assert len(set(lines)) == len(set(markers)) == len({to_rgb(colour) for colour in colours}) == len(STYLES)


# clips


def test_a_short_waveform_shows_every_sample(ax):
    plots.plot_waveform(Clip([0.0, 0.5, -0.25, 0.1], 2, unit="m/s²"), ax)
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xydata(), [[0, 0], [0.5, 0.5], [1, -0.25], [1.5, 0.1]])
    assert ax.get_ylabel() == "amplitude in m/s²"
    assert ax.get_xlim() == (0, 2)


def test_a_long_waveform_is_bounded_and_loses_no_peak(ax):
    samples = np.zeros(300_000)
    samples[[123_456, 200_001]] = 0.875, -0.5
    plots.plot_waveform(Clip(samples, 1000), ax)
    x, y = ax.lines[0].get_xydata().T
    assert len(x) == 4000
    assert x[y.argmax()] == pytest.approx(123.456, abs=0.15)
    assert x[y.argmin()] == pytest.approx(200.001, abs=0.15)
    assert (y.max(), y.min(), np.count_nonzero(y)) == (0.875, -0.5, 2)
    assert np.all(np.diff(x) >= 0)


def test_channels_lie_in_lanes_that_do_not_overlap(ax):
    plots.plot_waveform(Clip([[0.5, -0.5], [0.1, 0.2], [-0.5, 0.5]], 2, channels=("a", "b", "c")), ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert [line.get_ydata().tolist() for line in ax.lines] == [
        pytest.approx([0.5, -0.5]), pytest.approx([-0.9, -0.8]), pytest.approx([-2.5, -1.5]),
    ]  # fmt: skip
    assert ax.get_ylabel() == "channels, each ±0.5 FS"


@pytest.mark.parametrize("channel", [0, 1])
def test_a_log_mel_spectrogram_shows_the_frames_of_a_channel_where_they_lie(channel, heard, ax):
    clip = Clip(NOISE, 8000)
    plots.plot_log_mel(heard, clip, ax, channel=channel)
    mesh, feature = ax.collections[-1], heard.features_
    levels = frames_of(feature, clip)[:, :, channel]
    np.testing.assert_array_equal(mesh.get_array(), levels.T)
    times, hz = mesh.get_coordinates()[0, :, 0], mesh.get_coordinates()[:, 0, 1]
    np.testing.assert_allclose((times[1:] + times[:-1]) / 2, (128 + 128 * np.arange(len(levels))) / 8000)
    assert np.all((hz[:-1] < feature.band_hz_) & (feature.band_hz_ < hz[1:]))
    assert (hz[0], hz[-1]) == ax.get_ylim() == (50, 3500)
    low, high = np.quantile(levels, [0.01, 0.999])
    assert mesh.get_clim() == pytest.approx((low, high))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["500", "1000", "2000"]
    ax.figure.colorbar(mesh, ax=ax, label="level in dB")


@pytest.mark.parametrize("htk", [False, True])
def test_the_bands_of_a_log_mel_spectrogram_are_equally_high(htk, ax):
    pipeline = fitted(n_mels=12, htk=htk)
    plots.plot_log_mel(pipeline, Clip(NOISE, 8000), ax)
    hz = pipeline.features_.band_hz_
    heights = ax.transData.transform(np.stack([np.zeros(12), hz], axis=1))[:, 1]
    np.testing.assert_allclose(np.diff(heights), np.diff(heights)[0], rtol=1e-6)


def test_levels_of_a_spectrogram_can_be_set_and_those_of_silence_differ(heard, ax):
    plots.plot_log_mel(heard, Clip(NOISE, 8000), ax, vmin=-80, vmax=0)
    assert ax.collections[-1].get_clim() == (-80, 0)
    plots.plot_log_mel(heard, Clip(np.zeros((2, 8000)), 8000), ax)
    low, high = ax.collections[-1].get_clim()
    assert low < high


def test_a_spectrogram_needs_a_known_channel_the_rate_and_librosa(heard, ax, monkeypatch):
    for channel in (2, -1):
        with pytest.raises(InputError, match=f"Channel {channel} was given, and 2 are heard"):
            plots.plot_log_mel(heard, Clip(NOISE, 8000), ax, channel=channel)
    with pytest.raises(ShapeError, match="16000"):
        plots.plot_log_mel(heard, Clip(NOISE, 16000), ax)
    assert not ax.has_data()
    monkeypatch.setitem(sys.modules, "librosa.display", None)
    with pytest.raises(MissingExtraError, match="librosa"):
        plots.plot_log_mel(heard, Clip(NOISE, 8000), ax)


# scores


def test_a_timeline_leaves_a_gap_at_nan_and_says_what_it_cannot_show(ax):
    plots.plot_timeline(windows([1, NAN, 9, 2]), [], math.inf, 4.5, ax)
    line, below, *_ = ax.lines
    np.testing.assert_array_equal(line.get_ydata(), [1, NAN, 9, 2])
    assert below.get_xydata().tolist() == [[1, 1], [3, 9], [4, 2]]
    assert ax.get_xlabel() == "time in s\n1 of 4 scores is NaN, not shown\non boundary is inf, not shown"


def test_the_legend_of_a_timeline_covers_no_window(ax):
    scores = [4.0, 9.0] * 20
    plots.plot_timeline(windows(scores), [], 5.0, 4.5, ax)
    ax.figure.draw_without_rendering()
    bottom = ax.get_legend().get_window_extent().y0
    assert ax.transData.transform([(0, max(scores))])[0, 1] < bottom


def test_distributions_are_per_cent_of_their_kind_with_every_recording_below(ax):
    labels, scores = [0] * 400 + [1] * 4, np.concatenate([np.linspace(1, 8, 400), [7.0, 8.0, 9.0, 9.5]])
    plots.plot_scores(labels, scores, 8.5, ax)
    normal, anomalous = (patch.get_xy() for patch in ax.patches)
    for outline, of_scores in ((normal, scores[:400]), (anomalous, scores[400:])):
        steps = outline[: np.argmax(outline[:, 0]) + 1]
        edges, heights = np.unique(steps[:, 0]), [100 * np.mean(of_scores < edge) for edge in np.unique(steps[:, 0])]
        drawn = [steps[np.searchsorted(steps[:, 0], edge, side="right") - 1, 1] for edge in edges[:-1]]
        np.testing.assert_allclose(np.cumsum(drawn)[:-1], heights[1:-1])
        assert sum(drawn) == pytest.approx(100)
    (marks,) = (line for line in ax.lines if line.get_marker() == "x")  # 400 would be too many
    np.testing.assert_array_equal(marks.get_xdata(), scores[400:])
    assert labelled(ax)["threshold 8.5"].get_xdata() == [8.5, 8.5]
    assert {"normal (400)", "anomalous (4)"} <= set(ax.get_legend_handles_labels()[1])
    assert ax.get_xscale() == "linear"
    assert min(ax.get_yticks()) == 0


@pytest.mark.parametrize(
    ("scores", "threshold", "scale"),
    [
        ([1, 9], None, "linear"),
        ([1, 10], None, "log"),
        ([1, 9], 10, "log"),
        ([0, 100], None, "linear"),
        ([1, 100], -1, "linear"),
        ([3, 3], 3, "linear"),
        ([1e-9, 1e9], None, "log"),
    ],
)
def test_scores_have_a_logarithmic_axis_where_all_are_above_zero_and_span_a_decade(scores, threshold, scale, ax):
    plots.plot_scores([0, 1], scores, threshold, ax)
    assert ax.get_xscale() == scale
    assert ("(logarithmic)" in ax.get_xlabel()) == (scale == "log")


def test_scores_and_thresholds_that_are_infinite_are_said_not_drawn(ax):
    plots.plot_scores([0, 0, 1], [1, 2, math.inf], math.inf, ax)
    notes = ["1 of 3 scores is not finite, not shown", "no anomalous recordings", "threshold is inf, not shown"]
    assert ax.get_xlabel().split("\n")[1:] == notes


# curves


def test_a_roc_curve_has_the_corners_and_areas_of_the_metrics(ax):
    plots.plot_roc(LABELS, SCORES, ax)
    (name,) = (name for name in labelled(ax) if name.startswith("AUC"))
    assert name == f"AUC {auc(LABELS, SCORES):.3f}, pAUC {partial_auc(LABELS, SCORES):.3f}"
    np.testing.assert_array_equal(labelled(ax)[name].get_xydata(), 100 * np.stack(roc_curve(LABELS, SCORES), axis=1))
    np.testing.assert_array_equal(labelled(ax)["chance"].get_xydata(), [[0, 0], [100, 100]])
    (region,) = ax.patches
    assert (region.get_x(), region.get_width(), region.get_label()) == (0, 10, "pAUC: up to 10 %")


def test_several_roc_curves_share_chance_and_region_and_differ_in_style(ax):
    plots.plot_roc(LABELS, SCORES, ax, name="one", max_fpr=0.2)
    plots.plot_roc(LABELS, -SCORES, ax, name="two", max_fpr=0.2)
    plots.plot_roc([0, 0], [1.0, NAN], ax, name="three", max_fpr=0.2)
    _, names = ax.get_legend_handles_labels()
    assert names.count("chance") == names.count("pAUC: up to 20 %") == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == names
    assert f"one: AUC {auc(LABELS, SCORES):.3f}, pAUC {partial_auc(LABELS, SCORES, 0.2):.3f}" in names
    assert {"three: 1 of 2 scores is NaN, not shown", "three: no anomalous recordings"} <= set(names)
    first, second = (line for name, line in labelled(ax).items() if "AUC" in name)
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()


@pytest.mark.parametrize("max_fpr", [0, -0.1, 1.5, NAN])
@pytest.mark.parametrize("labels", [LABELS, [0] * 40])
def test_a_partial_area_that_makes_no_sense_is_refused(labels, max_fpr, ax):
    with pytest.raises(InputError, match="max_fpr"):
        plots.plot_roc(labels, SCORES, ax, max_fpr=max_fpr)
    assert not ax.has_data()


def test_a_det_curve_of_two_normal_distributions_is_straight_and_has_their_equal_error_rate(ax):
    from scipy.special import ndtr, ndtri

    normal = ndtri((np.arange(4000) + 0.5) / 4000)
    plots.plot_det([0] * 4000 + [1] * 4000, np.concatenate([normal, normal + 2]), ax, name="two")
    (name,) = (name for name in labelled(ax) if name.startswith("two"))
    assert name == f"two: equal error rate {100 * ndtr(-1):.1f} %"  # 15.9 %
    line = labelled(ax)[name]
    x, y = line.get_xydata()[::50].T
    inner = (x > 1) & (x < 60) & (y > 1)
    heights = ax.transData.transform(np.stack([x, y], axis=1))[inner]
    straight = np.polynomial.Polynomial.fit(*heights.T, 1)
    np.testing.assert_allclose(heights[:, 1], straight(heights[:, 0]), atol=0.5)  # dots of the picture
    (mark,) = line.get_markevery()
    assert line.get_xydata()[mark] == pytest.approx([100 * ndtr(-1)] * 2, abs=0.02)


def test_a_det_curve_shows_rates_of_zero_half_a_recording_away(ax):
    plots.plot_det([0] * 10 + [1] * 5, range(15), ax)
    line = labelled(ax)["equal error rate 0.0 %"]
    drawn = line.get_xydata().round(9).tolist()
    assert (drawn[0], drawn[-2:]) == ([5, 90], [[5, 10], [95, 10]])
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert 0 < left < 5 < 60 < right < 95
    assert 0 < low < 5 < 90 < high < 100


def test_a_det_curve_worse_than_chance_is_shown_whole(ax):
    plots.plot_det([1] * 10 + [0] * 5, range(15), ax)
    assert "equal error rate 100.0 %" in words(ax)
    assert ax.get_xlim()[1] > 90


# calibration, ladders, detectors, training


def test_a_calibration_shows_rates_in_per_cent_with_wilson_intervals(ax):
    plots.plot_calibration([0.2, 0.05, 0.1], [0.3, 0.0, 0.12], ax, n=[50, 100, 25])
    np.testing.assert_allclose(labelled(ax)["realised"].get_xydata(), [[5, 0], [10, 12], [20, 30]])
    ends = [wilson_interval(k, n) for k, n in ((0, 100), (3, 25), (15, 50))]
    bars = [segment[:, 1] for segment in ax.collections[0].get_segments()]
    np.testing.assert_allclose(bars, 100 * np.array(ends))
    assert ax.get_xscale() == ax.get_yscale() == "linear"
    diagonal = labelled(ax)["as asked for"].get_xydata()
    assert (diagonal[:, 0] == diagonal[:, 1]).all()


def test_a_realised_rate_of_zero_is_a_triangle_at_the_edge_of_logarithmic_axes(ax):
    plots.plot_calibration([0.001, 0.01, 0.1], [0.0, 0.02, 0.09], ax, n=100, name="tail")
    assert ax.get_xscale() == ax.get_yscale() == "log"
    np.testing.assert_allclose(labelled(ax)["tail"].get_xydata(), [[0.1, NAN], [1, 2], [10, 9]])
    triangle = labelled(ax)["tail: none"]
    assert (triangle.get_marker(), triangle.get_xdata().tolist()) == ("v", [0.1])
    height = ax.transAxes.inverted().transform(triangle.get_transform().transform(triangle.get_xydata()))[0, 1]
    assert 0 < height < 0.05
    top_of_bar = ax.collections[0].get_segments()[0][1, 1]
    assert top_of_bar == pytest.approx(100 * wilson_interval(0, 100)[1])
    assert 0 < ax.get_ylim()[0] < 1 < top_of_bar < ax.get_ylim()[1]


def test_several_calibrations_are_told_apart_without_colour(ax):
    for name in ("a", "b"):
        plots.plot_calibration([0.01, 0.1], [0.02, 0.2], ax, n=50, name=name)
    first, second = labelled(ax)["a"], labelled(ax)["b"]
    assert first.get_marker() != second.get_marker()
    assert ax.collections[0].get_linewidth() > ax.collections[1].get_linewidth()
    assert ax.get_legend_handles_labels()[1].count("as asked for") == 1


@pytest.mark.parametrize(
    ("asked", "realised", "n", "words"),
    [
        ([0.1, 0.2], [0.1], None, r"\(2,\) and realised \(1,\)"),
        ([10, 20], [10, 20], None, "fractions, not per cent"),
        ([0.1], [-0.1], None, "fractions"),
        ([0.1], [0.1], [10, 20], "Give one number, or one for each"),
        ([0.1], [0.1], -1, "Negative"),
    ],
)
def test_calibrations_that_make_no_sense_are_refused(asked, realised, n, words, ax):
    with pytest.raises(InputError, match=words):
        plots.plot_calibration(asked, realised, ax, n=n)
    assert not ax.has_data()


def test_a_ladder_shows_what_is_caught_and_where_half_and_ninety_per_cent_are(ax):
    row = ladder(first=(3, 3, 4, 4, 5, 5))
    plots.plot_ladder(row, ax)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.stack([row.ladder, 100 * np.array(row.caught)], axis=1))
    dots = {line.get_marker(): line.get_xydata().tolist() for line in ax.lines if len(line.get_xdata()) == 1}
    assert dots == {"o": [[row.strength_50, 50]], "D": [[row.strength_90, 90]]}
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("change in dB", "clips caught in %", "log")
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["half of the clips caught", "90 % caught", "90 % interval"]


def test_a_ladder_in_a_band_names_it_and_marks_what_lies_beyond(ax):
    plots.plot_ladder(ladder("leak", 2000, first=[len(INJECTIONS["leak"].ladder)] * 6), ax)
    assert ax.get_title().strip() == "leak, 2 kHz"
    assert ax.get_xlabel() == "SNR within the octave band in dB"
    assert [line.get_marker() for line in ax.lines if len(line.get_xdata()) == 1] == [">", ">"]
    assert "beyond the strengths tried" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_areas_show_intervals_and_which_detectors_clearly_differ(ax):
    rows = [figures("Gaussian()", 0.9), figures("Level(statistic='max')", 0.7), figures("Mixture()", NAN)]
    plots.plot_areas(comparison(*rows), ax)
    dots = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [line.get_xydata()[0].tolist() for line in dots] == [[0.9, 0], [0.7, 1]]
    assert [line.get_markerfacecolor() for line in dots] == [plots.BLUE, "white"]
    assert [text.get_text().strip() for text in ax.texts] == ["0.900", "0.700", "not measured"]
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2 and line.get_color() == plots.BLUE]
    np.testing.assert_allclose(bars, [[0.85, 0.95], [0.65, 0.75]])
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["Gaussian", "Level\n(statistic='max')", "Mixture"]
    assert ax.get_ylim()[0] == 2.5  # the first row on top


class Trained(Detector):
    def __init__(self):
        pass

    def _fit(self, windows):
        raise NotImplementedError

    def _score(self, windows):
        raise NotImplementedError


def test_training_shows_both_losses_and_the_lowest_validation_loss(ax):
    detector = Trained().restore({"loss_": np.array([8.0, 4.0, 0.5]), "validation_loss_": np.array([9.0, 6.0, 7.0])})
    plots.plot_training(detector, ax)
    lines = labelled(ax)
    np.testing.assert_array_equal(lines["training"].get_xydata(), [[1, 8], [2, 4], [3, 0.5]])
    np.testing.assert_array_equal(lines["validation"].get_xydata(), [[1, 9], [2, 6], [3, 7]])
    np.testing.assert_array_equal(lines["lowest: epoch 2"].get_xydata(), [[2, 6]])
    assert lines["training"].get_linestyle() != lines["validation"].get_linestyle()
    assert ax.get_yscale() == "log"


def test_training_without_validation_or_cut_short_is_drawn(ax):
    plots.plot_training(Trained().restore({"loss_": np.array([3.0, 2.0]), "validation_loss_": np.zeros(0)}), ax)
    assert labelled(ax).keys() & {"validation", "lowest: epoch 1"} == set()
    plots.plot_training({"loss": [3.0, 2.0], "val_loss": [3.0]}, ax)
    assert "lowest: epoch 1" in labelled(ax)
    assert ax.get_yscale() == "linear"
    assert {float(tick) for tick in ax.get_xticks() if 0.5 < tick < 2.5} == {1, 2}


@pytest.mark.parametrize(
    ("history", "error", "words"),
    [
        (Trained(), NotFittedError, "not fitted"),
        (Trained().restore({"mean_": 0}), InputError, r"No 'loss_' among \['mean_'\]"),
        ({"accuracy": [1]}, InputError, r"No 'loss' among \['accuracy'\]"),
        ([1.0, 2.0], InputError, "A list was given"),
        ({"loss": [[1.0], [2.0]]}, ShapeError, r"\(2, 1\)"),
    ],
)
def test_training_that_left_no_losses_is_refused(history, error, words, ax):
    with pytest.raises(error, match=words):
        plots.plot_training(history, ax)
    assert not ax.has_data()
