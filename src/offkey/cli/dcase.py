"""``offkey dcase``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import typer

from offkey.cli.console import note, print_json, progress, say
from offkey.cli.detectors import DETECTOR_HELP, RECIPE_HELP, make_pipeline
from offkey.cli.options import parse_boundary, parse_duration
from offkey.errors import InputError, OffkeyError

if TYPE_CHECKING:
    from offkey.evaluation import Estimate, OfficialScores, ScoredClip
    from offkey.pipeline import Pipeline

__all__ = ["dcase"]

FEWEST_CLIPS = 5


@final
@dataclass
class Outcome:
    """What came of a run: scored clips, files, machines without labels, and what failed."""

    family: int
    clips: list[ScoredClip] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def fail(self, sentence: str) -> None:
        """Say that something failed, and remember it."""
        note(sentence)
        self.failures.append(sentence)


def dcase(
    data: Annotated[
        list[Path] | None, typer.Argument(help="Folders of DCASE Task 2: dev_data, eval_data, or single machines.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write the result files to.")] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Compute the official scores of result files in this folder; fit nothing.")
    ] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(help="Labels of an evaluation set: eval_data_list_<year>.csv, or an evaluator.")
    ] = None,
    year: Annotated[int | None, typer.Option(help="2020 to 2026, where names and folders do not tell.")] = None,
    detector: Annotated[str | None, typer.Option(help=DETECTOR_HELP)] = None,
    recipe: Annotated[str | None, typer.Option(help=RECIPE_HELP)] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the detector, such as epochs=20.")
    ] = None,
    false_alarms: Annotated[
        str | None, typer.Option(help="A rate of clips (if not given 10%, or the recipe's): of decisions, not of AUC.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Length of the windows, such as 10s.")] = None,
    seed: Annotated[int, typer.Option(help="Of splits and networks.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Run DCASE Task 2: fit each machine type, score its test clips, write result files, print the official scores.

    One pipeline and one threshold for each machine type, whatever the section or domain of a clip.

    Example: offkey dcase dev_data -o results --detector gaussian
    Example: offkey dcase --scores results --ground-truth eval_data_list_2024.csv
    """
    if (scores is None) == (not data):
        raise InputError("Either data to fit and score, or --scores with result files is needed. Give one of them.")
    if scores is not None:
        outcome = _read(scores, year)
        truth = _truth(ground_truth)
    else:
        if out is None:
            raise InputError("No folder for the result files was given. Give one: -o results.")
        _pipeline(
            detector, recipe, setting or [], false_alarms, window, seed
        )  # bad options are known before hours of work
        truth = _truth(ground_truth)
        table, family = _table(data or [], year)
        outcome = Outcome(family)
        _make_folder(out)
        odd = table["path"][table["section"].isna() & (table["split"] != "extra")]
        if len(odd):  # reading has warned of them
            outcome.failures.append(f"{len(odd)} files have no DCASE name, such as {odd.iloc[0]}.")
        for machine, rows in table.groupby("machine", sort=True):
            pipeline = _pipeline(detector, recipe, setting or [], false_alarms, window, seed)
            _run(str(machine), rows, pipeline, out, year or family, outcome)
    official = _score(outcome, truth)
    if official is not None and out is not None:
        from offkey.evaluation import write_summary

        outcome.files.append(write_summary(official, out))
    if as_json:
        print_json(_document(official, outcome))
    else:
        _tell(official, outcome, out)
    if outcome.failures:
        raise typer.Exit(2)


def _pipeline(
    detector: str | None,
    recipe: str | None,
    settings: list[str],
    false_alarms: str | None,
    window: str | None,
    seed: int,
) -> Pipeline:
    """Return the pipeline that each machine type gets.

    Raises
    ------
    InputError
        If an option makes no sense.
    """
    given = {"window_s": parse_duration(window), "seed": seed}
    pipeline = make_pipeline(
        detector, recipe, settings, {name: value for name, value in given.items() if value is not None}
    )
    rate = "10%" if false_alarms is None and recipe is None else false_alarms
    threshold, budget = parse_boundary(rate, None, pipeline.threshold)
    if budget is not None:
        raise InputError(
            f"The budget {false_alarms} was given. The task decides about clips; give a rate, such as 10%."
        )
    pipeline.threshold = threshold or pipeline.threshold
    return pipeline


def _table(data: list[Path], year: int | None) -> tuple[Any, int]:
    """Return all clips as one recordings table, and the year whose rules hold."""
    import pandas as pd

    from offkey.datasets import check_table, dcase_family, read_dcase

    table = check_table(pd.concat([read_dcase(path, year) for path in data], ignore_index=True))
    family = dcase_family(table, year)
    if family is None:
        raise InputError("Names and folders do not tell the year, which sets the rules. Give it: --year 2023.")
    return table, family


def _truth(path: Path | None) -> Any:
    from offkey.datasets import read_ground_truth

    return None if path is None else read_ground_truth(path)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made ({error.strerror or error}). Choose another folder.") from error


def _read(folder: Path, year: int | None) -> Outcome:
    from offkey.datasets.dcase_names import check_year
    from offkey.evaluation import read_scores

    check_year(year)
    clips, family = read_scores(folder)
    if year is not None and min(year, 2022) != family:
        raise InputError(f"The year {year} was given, but the files are named as in {family}. Give that year, or none.")
    return Outcome(family, clips)


def _run(machine: str, rows: Any, pipeline: Pipeline, out: Path, year: int, outcome: Outcome) -> None:
    """Fit, score and write one machine type; nothing is written unless all its test clips could be scored."""
    from offkey.evaluation import write_results

    try:
        clips = _scored(machine, rows, pipeline)
        outcome.files += write_results(clips, out, year)
    except OffkeyError as error:
        outcome.fail(f"{machine}: {str(error).removeprefix(f'{machine}: ')}")
        return
    outcome.clips += clips
    n_anomalies = int(((rows["split"] == "train") & (rows["label"] == 1).fillna(False)).sum())
    if n_anomalies:
        outcome.fail(f"{machine}: {n_anomalies} clips in train are named as anomalies, and were left out.")
    for failure in pipeline.failures_:
        outcome.fail(f"{machine}: left out of training: {failure}")


def _scored(machine: str, rows: Any, pipeline: Pipeline) -> list[ScoredClip]:
    from offkey.evaluation import ScoredClip
    from offkey.pipeline import Failure
    from offkey.pipeline.sources import same_name
    from offkey.progress import track

    named = rows[rows["section"].notna()]
    train = named[(named["split"] == "train") & ~(named["label"] == 1).fillna(False)]
    test = named[named["split"] == "test"]
    if len(train) < FEWEST_CLIPS:
        raise InputError(f"has {len(train)} normal clips in train; at least {FEWEST_CLIPS} are needed. Give more.")
    if len(test) == 0:
        raise InputError("has no test clips. Give the machine's folder with train and test.")
    with progress():
        pipeline.fit(train)
        results = list(track(pipeline.score(test), f"scoring {machine}", len(test)))
    failures = [result for result in results if isinstance(result, Failure)]
    if failures:
        raise InputError(
            f"{len(failures)} of {len(test)} test clips could not be scored, so no result files are written. "
            f"The first: {failures[0]}"
        )
    decisions = {same_name(each.source): each for each in results if not isinstance(each, Failure)}
    clips = []
    for row in test.to_dict("records"):
        decision = decisions[same_name(row["path"])]
        domain = row["domain"] if isinstance(row["domain"], str) else None
        label = int(row["label"]) if row["label"] in (0, 1) else None
        name = Path(row["path"]).name
        clips.append(ScoredClip(machine, row["section"], name, decision.score, decision.is_anomaly, domain, label))
    return clips


def _score(outcome: Outcome, truth: Any) -> OfficialScores | None:
    """Return the official scores over the machines that have labels; say of the others why they are in none."""
    from offkey.evaluation import official_scores, with_ground_truth

    labelled = []
    for machine in dict.fromkeys(clip.machine for clip in outcome.clips):
        own = [clip for clip in outcome.clips if clip.machine == machine]
        try:
            own = own if truth is None else with_ground_truth(own, truth)
            if all(clip.label is None for clip in own):
                note(f"{machine}: its {len(own)} test clips have no labels; there is no official score of it.")
                continue
            official_scores(own, outcome.family)
            labelled += own
        except OffkeyError as error:
            outcome.fail(f"{error} {machine} is in no figure.")
    return official_scores(labelled, outcome.family) if labelled else None


def _tell(official: OfficialScores | None, outcome: Outcome, out: Path | None) -> None:
    if official is not None:
        _tell_scores(official)
    if out is not None:
        say(f"Wrote {len(outcome.files)} files to {out}.")


def _tell_scores(official: OfficialScores) -> None:
    names = list(official.sections[0].figures)
    width = max(len(section.machine) for section in official.sections) + 2
    width = max(width, len("over all") + 2)
    say(f"{'machine':{width}}{'section':20}" + "".join(f"{name:23}" for name in names) + "score")
    for section in official.sections:
        where = section.section + (f" {section.domain}" if section.domain else "")
        figures = "".join(f"{_figure(each):23}" for each in section.figures.values())
        say(f"{section.machine:{width}}{where:20}{figures}".rstrip())
    for machine in [*official.machines, official.overall]:
        is_all = machine is official.overall
        figures = "".join(f"{_figure(each):23}" for each in machine.figures.values())
        name = "over all" if is_all else machine.name
        say(f"{name:{width}}{'mean':20}{figures}{_figure(machine.score)}")
    kind = "arithmetic" if official.family == 2020 else "harmonic"
    later = " and later" if official.family == 2022 else ""
    say(
        f"Rules of {official.family}{later}: {kind} means over {_count(official.sections, 'section')} of "
        f"{_count(official.machines, 'machine type')}; 95 % jackknife intervals over {official.overall.n_clips} clips."
    )


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}" + ("s" if len(things) != 1 else "")


def _figure(estimate: Estimate) -> str:
    interval = f" [{estimate.low:.3f}, {estimate.high:.3f}]" if estimate.low == estimate.low else ""
    return f"{estimate.value:.3f}{interval}"


def _document(official: OfficialScores | None, outcome: Outcome) -> dict[str, Any]:
    return {
        "rules": outcome.family,
        "scores": None if official is None else asdict(official),
        "n_clips": len(outcome.clips),
        "files": [str(path) for path in outcome.files],
        "failures": outcome.failures,
    }
