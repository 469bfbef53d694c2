"""What a check of a batch found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

from offkey.drift.columns import ColumnDrift
from offkey.drift.values import shortened

__all__ = ["DriftReport", "TogetherTest"]


@final
@dataclass(frozen=True)
class TogetherTest:
    """A test of all columns together.

    Attributes
    ----------
    name : str
        What it is.
    statistic : float
        Squared maximum mean discrepancy, or the area under the ROC curve of the classifier.
    p_value : float
        Exact for exchangeable rows.
    is_drift : bool
        Whether it alone says drift.
    """

    name: str
    statistic: float
    p_value: float
    is_drift: bool


@final
@dataclass(frozen=True)
class DriftReport:
    """How far a batch is from the reference.

    Attributes
    ----------
    is_drift : bool
        The decision.
    p_value : float
        Of all tests together: without drift it is at most ``rate`` in that share of all batches, on average over
        references.
    rate : float
        False-alarm rate of the decision: share of batches without drift that it is given for.
    columns : tuple of ColumnDrift
        The surest first.
    tests : tuple of TogetherTest
        Of all columns together; empty for a single column.
    n_reference, n_batch : int
        Rows that were compared, each independent of the others.
    notes : tuple of str
        What is to be known beside.
    """

    is_drift: bool
    p_value: float
    rate: float
    columns: tuple[ColumnDrift, ...]
    tests: tuple[TogetherTest, ...]
    n_reference: int
    n_batch: int
    notes: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[ColumnDrift, ...]:
        """The columns that are reported."""
        return tuple(column for column in self.columns if column.is_moved)

    @property
    def sentence(self) -> str:
        """The decision in words."""
        if not self.is_drift:
            return f"No drift (p = {self.p_value:.2g}, false-alarm rate {self.rate:.2g})."
        names = ", ".join(shortened(column.name) for column in self.moved[:5])
        more = f" and {len(self.moved) - 5} more" if len(self.moved) > 5 else ""
        what = f"{len(self.moved)} of {len(self.columns)} columns moved: {names}{more}" if self.moved else (
            "no single column, but all of them together"
        )  # fmt: skip
        return f"Drift (p = {self.p_value:.2g}, false-alarm rate {self.rate:.2g}): {what}."

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name, for JSON."""
        return {"sentence": self.sentence, **asdict(self)}

    def to_frame(self) -> Any:
        """Return the columns as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([asdict(column) for column in self.columns])
