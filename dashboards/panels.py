"""What the Grafana dashboards are made of: a panel in a line of code, and where it lies.

A query has the variables `$gateway` and `$api`, and `$__rate_interval`. Names of metrics are those that both an OTLP
receiver and the gateway's own scrape endpoint have; `azure(...)` matches both spellings where they differ.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import common as parts
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8

# legend, expression
Query = tuple[str, str]


def azure(name: str, suffix: str = "") -> str:
    """A metric of the Azure set: with the prefix of a scrape or without, with its unit or without."""
    return f'__name__=~"(azure_apim_)?{name}(_milliseconds)?{suffix}"'


def lines(
    title: str, why: str, unit: str, *queries: Query, width: int = 12, stacked: bool = False, most: float | None = None
) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(why)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .height(HEIGHT)
        .span(width)
        .fill_opacity(25 if stacked else 8)
        .line_width(1)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            parts.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["mean", "lastNotNull"])
        )
        .tooltip(parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if stacked:
        panel = panel.stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL))
    if most is not None:
        panel = panel.max(most)
    for at, (legend, expression) in enumerate(queries):
        panel = panel.with_target(
            prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + at)).range()
        )
    return panel


def number(title: str, why: str, unit: str, expression: str, *, bad_from: float | None = None) -> stat.Panel:
    """One figure of the time that is shown; red from `bad_from` on."""
    steps = [models.Threshold(color="green", value=None)]
    if bad_from is not None:
        steps.append(models.Threshold(color="red", value=bad_from))
    return (
        stat.Panel()
        .title(title)
        .description(why)
        .datasource(SOURCE)
        .unit(unit)
        .height(4)
        .span(4)
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .thresholds(boards.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
        .reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(prometheus.Dataquery().expr(expression).legend_format(title).ref_id("A").range())
    )


def rows(title: str, why: str, expression: str, *, width: int = 12, names: dict[str, str]) -> table.Panel:
    """A table of what the query says at the end of the time that is shown; `names` are the columns' titles."""
    return (
        table.Panel()
        .title(title)
        .description(why)
        .datasource(SOURCE)
        .height(HEIGHT)
        .span(width)
        .decimals(0)
        .with_target(prometheus.Dataquery().expr(expression).ref_id("A").instant().format(PromQueryFormat.TABLE))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": names}
            )
        )
    )


def variable(name: str, label: str, query: str) -> boards.QueryVariable:
    """A choice of several, of which all are chosen at first; what has no such label belongs to all."""
    return (
        boards.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )
