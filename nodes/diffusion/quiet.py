"""What libraries log while they are imported, and nobody can act on, stays off people's terminals.

transformers and diffusers import torchao wherever it is installed, whether or not anything is quantised; it
then tells which of its kernels were built for other machines. To do as one of them says would do harm: with
torchvision, images are prepared in other numbers. Only these very messages are kept back.
"""

from __future__ import annotations

import logging

DULL = {
    "torchao": "Failed to load ",
    "transformers.utils.import_utils": " requires torchvision (not installed); falling back to ",
    "torch.utils._pytree": " is an Enum subclass and is now natively supported",
    "diffusers.quantizers.torchao.torchao_quantizer": "Unable to import `torchao` Tensor objects",
    "diffusers.guiders.guider_utils": "Guiders are currently an experimental feature",
    "diffusers.models.modeling_utils": "`enable_parallelism` is an experimental feature",
    "diffusers.hooks.context_parallel": "split will not be applied",
    "diffusers.hooks.faster_cache": "FasterCache is a purely experimental feature",
    "diffusers.schedulers.scheduling_flow_match_euler_discrete": "`timesteps` were passed without `sigmas`",
}
"""By the name of the logger, a part of the message."""


def keep_quiet() -> None:
    """Keep the dull messages back from now on."""
    for name, part in DULL.items():
        logging.getLogger(name).addFilter(_Without(part))


class _Without(logging.Filter):
    """Lets all pass but messages with `part` in them."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def filter(self, record: logging.LogRecord) -> bool:
        return self.part not in record.getMessage()
