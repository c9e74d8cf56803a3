"""Figures as SVG text. Colours are the page's CSS classes, so they follow light, dark and print."""

import math
from html import escape

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 28, 36  # margins around the plot, in SVG units


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that span [low, high]: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


class _Plot:
    """Maps data to SVG units and gathers shapes."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float], title: str):
        self.x_range, self.y_range = x_range, y_range
        self.shapes = [f"<title>{escape(title)}</title>"]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def text(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        self.shapes.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>')

    def axes(self, x_label: str, x_ticks, y_format: str, x_format: str = "{:g}") -> None:
        for value in ticks(*self.y_range):
            y = self.y(value)
            self.shapes.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            self.text(LEFT - 6, y + 4, y_format.format(value), "end")
        for value in x_ticks:
            self.text(self.x(value), HEIGHT - BOTTOM + 16, x_format.format(value))
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, x_label)

    def line(self, points, css_class: str) -> None:
        path = "L".join(f"{self.x(x)} {self.y(y)}" for x, y in points)
        self.shapes.append(f'<path class="line {css_class}" d="M{path}"/>')
        self.shapes += [
            f'<circle class="{css_class}" cx="{self.x(x)}" cy="{self.y(y)}" r="2.5"/>' for x, y in points
        ]

    def svg(self) -> str:
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(self.shapes)}</svg>'


def training_curve(stages: list[dict], name: str, y_label: str, as_percent: bool) -> str:
    """A metric on the train and eval splits by epoch, with the stages shaded in turn and named.

    Args:
      stages: of history.json; every stage has at least one epoch.
      name: key of the metric in an epoch; that of the eval split begins with val_.
      y_label: what the figure shows, for screen readers.
      as_percent: whether values are shares.
    """
    epochs = [epoch for stage in stages for epoch in stage["epochs"]]
    values = [epoch[key] for epoch in epochs for key in (name, f"val_{name}")]
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or 0.05
    low = max(low - margin, 0.0)
    high = min(high + margin, 1.0) if as_percent else high + margin
    plot = _Plot((0.5, len(epochs) + 0.5), (low, high), f"{y_label} by epoch")
    first = 1
    for index, stage in enumerate(stages):
        last = first + len(stage["epochs"]) - 1
        left, right = plot.x(first - 0.5), plot.x(last + 0.5)
        plot.shapes.append(
            f'<rect class="stage-{index % 2}" x="{left}" y="{TOP}" '
            f'width="{round(right - left, 1)}" height="{HEIGHT - TOP - BOTTOM}"/>'
        )
        shown = (
            stage["name"]
            if len(stage["name"]) * 7 < right - left
            else stage["name"][: int((right - left) / 7)]
        )
        plot.text((left + right) / 2, TOP - 8, shown)
        first = last + 1
    step = max(1, math.ceil(len(epochs) / 15))
    plot.axes("epoch", range(1, len(epochs) + 1, step), "{:.0%}" if as_percent else "{:.3g}")
    first = 1
    for stage in stages:
        numbered = list(enumerate(stage["epochs"], start=first))
        plot.line([(number, epoch[name]) for number, epoch in numbered], "train")
        plot.line([(number, epoch[f"val_{name}"]) for number, epoch in numbered], "eval")
        best = first + stage["best_epoch"] - 1
        kept = stage["epochs"][stage["best_epoch"] - 1][f"val_{name}"]
        plot.shapes.append(f'<circle class="kept" cx="{plot.x(best)}" cy="{plot.y(kept)}" r="6"/>')
        first += len(stage["epochs"])
    return plot.svg()


def reliability_diagram(calibration: list[dict]) -> str:
    """Accuracy against confidence by bin; dots as large as the share of images in the bin."""
    plot = _Plot((0, 1), (0, 1), "Accuracy against confidence")
    plot.axes("confidence: probability of the predicted class", ticks(0, 1), "{:.0%}", "{:.0%}")
    plot.shapes.append(f'<path class="ideal" d="M{plot.x(0)} {plot.y(0)}L{plot.x(1)} {plot.y(1)}"/>')
    images = sum(row["count"] for row in calibration)
    for row in calibration:
        x, y = plot.x(row["confidence"]), plot.y(row["accuracy"])
        radius = round(3 + 15 * math.sqrt(row["count"] / images), 1)
        plot.shapes.append(
            f'<circle class="bin" cx="{x}" cy="{y}" r="{radius}">'
            f"<title>{row['count']} images: confidence {row['confidence']:.1%}, "
            f"right {row['accuracy']:.1%}</title></circle>"
        )
    return plot.svg()
