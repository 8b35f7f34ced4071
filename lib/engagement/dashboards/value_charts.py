"""Charts of value: models of attribution side by side, and what cohorts bring as they grow older.

Each takes a frame and gives a figure; :func:`engagement.dashboards.charts.chart_or_message` decides
whether there is enough to draw.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from engagement.dashboards import style

MODELS = {
    "first": ("First touch", "v", style.AMBER),
    "last": ("Last touch", "^", style.ORANGE),
    "last_non_direct": ("Last not direct", ">", style.PINK),
    "linear": ("Linear", "o", style.SKY),
    "position": ("Position", "s", style.GREEN),
    "time_decay": ("Time decay", "D", style.BLUE),
    "markov": ("Markov", "X", style.INK),
}
"""How each model is called and drawn; shapes tell them apart where colours do not."""


def attribution_models(
    frame: pd.DataFrame, *, unit: str, measure: str = "revenue", top: int = 10
) -> Figure:
    """What each model credits a channel with, as marks on one line per channel.

    Parameters
    ----------
    frame
        ``model, channel`` and the measure, as of ``marts.attribution_channels``; days are added up.
    unit
        The currency, or what the measure is counted in.
    top
        How many channels to show, by the greatest of their marks.
    """
    table = _by_model(frame, measure)
    order = sorted(table.index, key=lambda one: (-float(table.loc[one].max()), str(one)))[:top]
    shown = table.loc[order]
    places = np.arange(len(shown))
    with style.applied():
        figure, axes = style.chart(height=1.9 + 0.36 * max(len(shown), 2))
        axes.hlines(places, shown.min(axis=1), shown.max(axis=1), color=style.PALE, linewidth=3)
        for model in shown.columns:
            label, marker, color = MODELS.get(str(model), (str(model), "o", style.GREY))
            axes.plot(
                shown[model],
                places,
                linestyle="none",
                marker=marker,
                markersize=7,
                markeredgecolor="white",
                markeredgewidth=0.6,
                color=color,
                label=label,
            )
        axes.set_yticks(places, [style.label(name) for name in order])
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlim(left=min(0.0, float(shown.min().min()) if shown.size else 0.0))
        rest = len(table) - len(shown)
        more = f"; not shown: {rest} more" if rest else ""
        axes.set_xlabel(f"{measure.replace('_', ' ').capitalize()} ({unit}){more}")
        axes.xaxis.set_major_locator(MaxNLocator(4 if style.is_narrow() else 7))
        axes.xaxis.set_major_formatter(style.thousands())
        axes.grid(visible=True, axis="x")
        axes.tick_params(axis="y", length=0)
        if len(table.columns):
            axes.legend(
                frameon=False,
                loc="lower left",
                bbox_to_anchor=(-0.01, 1),
                borderaxespad=0,
                ncols=2 if style.is_narrow() else 4,
                labelcolor=style.GREY,
                handletextpad=0.2,
                columnspacing=1.2,
            )
        style.title(figure, _models_title(table))
    return figure


def disagreement(frame: pd.DataFrame, measure: str = "revenue") -> pd.DataFrame:
    """Where models differ: per channel the least and the greatest share, and which models say so.

    Parameters
    ----------
    frame
        ``model, channel`` and the measure, as of ``marts.attribution_channels``.

    Returns
    -------
    DataFrame
        ``channel, least, least_model, greatest, greatest_model, spread``, the widest first.
    """
    table = _by_model(frame, measure)
    whole = table.sum().replace(0, np.nan)
    shares = (table / whole).dropna(axis=1, how="all")
    if shares.empty:
        columns = ["channel", "least", "least_model", "greatest", "greatest_model", "spread"]
        return pd.DataFrame(columns=columns)
    found = pd.DataFrame(
        {
            "channel": shares.index,
            "least": shares.min(axis=1).to_numpy(),
            "least_model": shares.idxmin(axis=1).to_numpy(),
            "greatest": shares.max(axis=1).to_numpy(),
            "greatest_model": shares.idxmax(axis=1).to_numpy(),
        }
    )
    found["spread"] = found["greatest"] - found["least"]
    return found.sort_values(["spread", "channel"], ascending=[False, True], ignore_index=True)


def value_curves(
    frame: pd.DataFrame, *, unit: str, period: str = "week", cohorts: int = 8
) -> Figure:
    """Net revenue per person up to each age of a cohort: a line per cohort, and that of all.

    The line of all is the sum of the net revenue of the cohorts that are as old, by their people,
    as far as three cohorts are.

    Parameters
    ----------
    frame
        ``marts.cohort_revenue``; identified people and guests are added up.
    period
        ``day``, ``week`` or ``month``.
    """
    table = _curves(frame, period)
    sizes = table.groupby("cohort_start")["cohort_persons"].first()
    newest = [start for start in sorted(sizes.index) if sizes[start] > 0][-cohorts:]
    every = table[table["cohort_persons"] > 0].groupby("period_number")
    enough = every["value"].count() >= min(3, int((sizes > 0).sum()))
    everyone = (every["value"].sum() / every["cohort_persons"].sum())[enough]
    with style.applied():
        figure, axes = style.chart(height=4.0)
        shades = colormaps["Blues"](np.linspace(0.35, 0.85, max(len(newest), 1)))
        for start, shade in zip(newest, shades, strict=False):
            one = table[table["cohort_start"] == start]
            axes.plot(
                one["period_number"],
                one["value"] / one["cohort_persons"],
                color=shade,
                linewidth=1.4,
                marker=".",
                label=f"{start.day} {start:%b %Y}",
            )
        axes.plot(everyone.index, everyone, color=style.ORANGE, linewidth=2.6, label="all cohorts")
        axes.set_xlabel(f"{period.capitalize()}s since the first event")
        axes.set_ylabel(f"Net revenue per person ({unit})")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_formatter(style.thousands())
        axes.grid(visible=True, axis="y")
        style.legend_above(
            axes,
            columns=2 if style.is_narrow() else 5,
            fontsize=8,
            title=f"New people of the {period} of",
            title_fontsize=8,
            alignment="left",
        )
        style.title(figure, _curves_title(everyone, period, unit))
    return figure


# --- pieces -------------------------------------------------------------------------------------


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce").astype(float)


def _by_model(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    values = _numbers(frame[measure]).fillna(0)
    table = values.groupby([frame["channel"].astype(str), frame["model"].astype(str)]).sum()
    wide: pd.DataFrame = table.unstack("model").fillna(0.0)
    order = [model for model in MODELS if model in wide.columns]
    return wide[[*order, *sorted(set(wide.columns) - set(order))]]


def _models_title(table: pd.DataFrame) -> str:
    long = table.stack().rename("value").rename_axis(["channel", "model"]).reset_index()
    found = disagreement(long, "value")
    if found.empty or not float(found["spread"].iloc[0]):
        return "All models say the same"
    most = found.iloc[0]
    names = [MODELS.get(str(most[one]), (str(most[one]),))[0].lower()
             for one in ("least_model", "greatest_model")]  # fmt: skip
    names = ["Markov" if name == "markov" else name for name in names]
    return (
        f"The models disagree most about {style.label(most['channel'])}: "
        f"{style.percent(float(most['least']))} by {names[0]}, "
        f"{style.percent(float(most['greatest']))} by {names[1]}"
    )


def _curves(frame: pd.DataFrame, period: str) -> pd.DataFrame:
    """Cumulative net revenue and people by cohort and age, of mature cells."""
    own = frame[(frame["period"] == period) & frame["is_mature"].astype(bool)]
    numbers = own.assign(
        value=_numbers(own["cumulative_net_revenue"]).fillna(0),
        cohort_persons=_numbers(own["cohort_persons"]).fillna(0),
        cohort_start=pd.to_datetime(own["cohort_start"]),
        period_number=_numbers(own["period_number"]).astype(int),
    )
    keys = ["cohort_start", "period_number"]
    summed: pd.DataFrame = numbers.groupby(keys, as_index=False)[["cohort_persons", "value"]].sum()
    return summed


def _curves_title(everyone: pd.Series, period: str, unit: str) -> str:
    known = everyone.dropna()
    if known.empty:
        return f"No {period} after a first event is over yet"
    first, last, age = float(known.iloc[0]), float(known.iloc[-1]), int(known.index[-1])
    if not age:
        return f"A new person brings {style.number(first)} {unit} in the first {period}"
    return (
        f"A new person brings {style.number(first)} {unit} in the first {period}, "
        f"{style.number(last)} {unit} after {age} more"
    )
