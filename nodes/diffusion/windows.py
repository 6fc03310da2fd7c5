"""Long clips that one call of a pipeline makes window by window, and how such a call goes on after a stop.

Nothing of the pipeline is left out when it goes on: it makes every window again. But a window that was
finished before begins as it ended, and has no steps; the one that was stopped begins with the samples it
had reached, and has its last steps only. Random numbers fall as they fell before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.node import Context, State
from graphflow.values import Video


class Windows:
    """Where a clip is that is made window by window: in which window, at which of its steps."""

    def __init__(
        self,
        ctx: Context,
        steps: Sequence[int],
        memory: Callable[[], State],
        preview: Callable[[Any], Video],
    ) -> None:
        """steps: of each window. memory: what, beside the samples, the next step depends on.
        preview: samples to a small clip."""
        self._ctx, self._steps, self._memory, self._preview = ctx, tuple(steps), memory, preview
        saved = ctx.restore() or {"finished": [], "step": 0, "samples": None, "memory": None}
        self.finished: list[Any] = list(saved["finished"])
        """Samples of the windows that are done, each (1, channels, frames, height, width), on the CPU."""
        self._resumed, self._samples = len(self.finished), saved["samples"]
        self.step, self._index = int(saved["step"]), -1
        """Steps done of the window that is being made."""
        self.skipped = 0
        """Of these, the ones done before the stop."""
        self.memory: State | None = None
        """What `memory` told before the stop, in the one window in which the work goes on; else None."""
        self._saved_memory = saved["memory"]

    def begin(self, samples: Any) -> Any:
        """The next window begins: with these samples, or with those of an earlier run.

        `skipped` then says how many of its steps were done before.
        """
        self._index += 1
        self.memory, self.skipped = None, 0
        if self._index < self._resumed:
            self.skipped = self._steps[self._index]
            return self._like(self.finished[self._index], samples)
        if self._index == self._resumed:
            self.memory, self.skipped = self._saved_memory, self.step
        return self._like(self._samples, samples) if self.skipped else samples

    def after(self, samples: Any) -> None:
        """After each step: a checkpoint, a preview, then progress, which is also a cancel point.

        samples: may be written into later; they are copied.
        """
        self.step += 1
        if self.step == self._steps[self._index]:
            self.finished.append(samples.detach().cpu().clone())
            self.step = 0
        done, total = sum(self._steps[: len(self.finished)]) + self.step, sum(self._steps)
        if done < total:  # after the last one comes the result itself
            self._ctx.checkpoint(
                lambda: {
                    "finished": list(self.finished),
                    "step": self.step,
                    "samples": samples.detach().cpu().clone() if self.step else None,
                    "memory": self._memory(),
                }
            )
        self._ctx.preview(lambda: self._preview(samples))
        self._ctx.progress(done, total)

    @staticmethod
    def _like(saved: Any, fresh: Any) -> Any:
        """Saved samples, as long as the window is when it begins and where its noise is."""
        return saved[:, :, : fresh.shape[2]].to(fresh.device, copy=True)


def copied(value: Any, device: str) -> Any:
    """Tensors in dicts and lists on `device`: copies, because solvers may remember views of live samples."""
    if isinstance(value, dict):
        return {name: copied(item, device) for name, item in value.items()}
    if isinstance(value, list):
        return [copied(item, device) for item in value]
    return value.to(device, copy=True) if hasattr(value, "to") else value
