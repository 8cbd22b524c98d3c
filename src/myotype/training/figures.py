"""Pictures of a run: the loss, the error rate, and what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from myotype.errors import MissingExtraError, extra_for
from myotype.files import replacing_file
from myotype.training.run_folder import FIGURES, RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

_SAMPLES_SHOWN: Final = 8
_KEYS_SHOWN: Final = 60
_KINDS: Final = {"val/deletions": "missing", "val/insertions": "extra", "val/substitutions": "wrong"}


def draw_loss(axes: Axes, rows: list[dict[str, str]]) -> Axes:
    """Draw the loss of every epoch of a run's table."""
    axes.plot([int(row["epoch"]) for row in rows], [float(row["train/loss"]) for row in rows], color="tab:blue")
    axes.set(xlabel="epoch", ylabel="CTC loss", title="training loss")
    axes.grid(alpha=0.3)
    return axes


def draw_error_rates(axes: Axes, rows: list[dict[str, str]]) -> Axes:
    """Draw the error rate of every validated epoch, and what it is made of."""
    validated = [row for row in rows if row["val/CER"]]
    epochs = [int(row["epoch"]) for row in validated]
    axes.plot(epochs, [float(row["val/CER"]) for row in validated], color="black", label="all errors")
    for name, label in _KINDS.items():
        axes.plot(epochs, [float(row[name]) for row in validated], linestyle="--", label=label)
    axes.set(xlabel="epoch", ylabel="errors, % of the keys", title="validation", ylim=(0, None))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    return axes


def draw_samples(axes: Axes, samples: list[dict[str, str]]) -> Axes:
    """Write what was read after some of the epochs, above what was typed."""
    if not samples:
        axes.set_axis_off()
        return axes
    step = max(-(-len(samples) // _SAMPLES_SHOWN), 1)
    shown = samples[::-1][::step][::-1]
    lines = [(f"epoch {sample['epoch']}", sample["read"]) for sample in shown]
    lines.append(("typed", shown[-1]["typed"]))
    for place, (name, text) in enumerate(lines):
        height = 1 - (place + 0.5) / len(lines)
        # Escaped, as typed dollars would begin mathematics.
        axes.text(0.0, height, name, family="monospace", size=8, va="center")
        axes.text(
            0.12, height, text[:_KEYS_SHOWN].replace("$", r"\$") or "(nothing)", family="monospace", size=8, va="center"
        )
    axes.set_title("what was read at the beginning of the first validation recording", size=10)
    axes.set_axis_off()
    return axes


def draw_run(run: RunFolder, note: Callable[[str], None]) -> None:
    """Draw a run's table as ``figures/run.png``; without the `plot` extra, say so."""
    rows = run.rows()
    if not rows:
        return
    try:
        with extra_for("drawing the run", "plot"):
            import matplotlib as mpl  # noqa: PLC0415  (an extra)
            from matplotlib.figure import Figure  # noqa: PLC0415
    except MissingExtraError as error:
        note(f"no figures: {error}")
        return
    with mpl.rc_context({"font.family": ["DejaVu Sans"]}):
        figure = Figure(figsize=(10, 7), layout="constrained")
        (loss, errors), (samples, _) = figure.subplots(2, 2)
        samples.remove()
        figure.axes[-1].remove()
        draw_loss(loss, rows)
        draw_error_rates(errors, rows)
        draw_samples(figure.add_subplot(2, 1, 2), run.samples())
        with replacing_file(run.path / FIGURES / "run.png") as temporary:
            figure.savefig(temporary, format="png", dpi=110)
