"""Stage 5: the team's own estimators, by where Python finds them and what is searched of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from homeostat.core.sections.base import Section

Plain = bool | int | float | str
Parameter = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"


class Span(Section):
    """The values a parameter may have: between ``low`` and ``high``, both included, or one of ``choices``."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["low", "high"]}, {"required": ["choices"]}]})

    low: int | float | None = Field(default=None, description="smallest value; with a whole low and high all values are whole")
    high: int | float | None = Field(default=None, description="largest value")
    log: bool = Field(default=False, description="values are searched by their logarithm")
    start: int | float | None = Field(default=None, description="the value tried first; default: the middle")
    choices: tuple[Plain, ...] = Field(default=(), description="in place of low and high; the first is tried first")

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def first(self) -> Plain:
        """The value that is tried first."""
        if self.choices:
            return self.choices[0]
        if self.start is not None:
            return self.start
        low, high = float(self.low or 0), float(self.high or 0)
        middle = (low * high) ** 0.5 if self.log else (low + high) / 2
        return round(middle) if self.whole else middle


class Estimator(Section):
    """An estimator of the team's own. A callable makes it from keyword arguments; each fit of it has a process of its own."""

    path: str = Field(
        pattern=IMPORT_PATH,
        description="module:callable, beside the charter (learners:boosted is `boosted` in learners.py) or of an installed package",
    )
    flavour: Literal["tree", "linear"] = Field(
        default="linear", description="how rows are prepared for it; linear: scaled and without nulls; tree: as they are, nulls included"
    )
    space: dict[Parameter, Span] = Field(default_factory=dict, description="what is searched: the values of each keyword argument")
    params: dict[Parameter, Plain] = Field(default_factory=dict, description="keyword arguments that are always the same")
    seconds: float = Field(default=300.0, gt=0, description="how long one fit may take, its imports and predictions included")
    memory_mb: float = Field(default=4_000.0, ge=50, description="how much memory one fit may take")
