"""The model card that lies in the model folder."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

CARD = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: {tag}
---

# {title}

{description} Made to be shipped with a program: what works with a Wan model can be tried with it at once,
without a GPU or a download.

```python
{imports}

pipeline = {pipeline}.from_pretrained("{name}")
video = pipeline(
    {given}prompt="{prompt}",
    width={width},
    height={height},
    num_frames={frames},
    num_inference_steps={steps},
    guidance_scale={guidance},
    max_sequence_length={max_sequence_length},
).frames[0]
```

Other sizes, lengths and words were not trained; unknown words are ignored. `graphflow.json` holds these
numbers and the vocabulary for programs.

## Prompts

{prompts}

## Training

On CPU cores with clips drawn by a renderer, captions by rule; no other data or model. Recipe, log and scores
are in the project's `docs/toy_model`. Licence of weights and code: Apache-2.0.
"""

IMPORTS = "from diffusers import {}"
WITH_PICTURE = IMPORTS + "\nfrom diffusers.utils import load_image"
WITH_VIDEO = IMPORTS + "\nfrom diffusers.utils import load_video"
USES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "WanPipeline": ("text-to-video", IMPORTS, ""),
        "WanImageToVideoPipeline": ("image-to-video", WITH_PICTURE, 'image=load_image("first.png"),\n    '),
        "WanVACEPipeline": (
            "text-to-video",
            WITH_VIDEO,
            'video=load_video("white_box_on_black.mp4"),\n    mask=load_video("all_white.mp4"),\n    ',
        ),
    }
)
"""Tag, imports and further arguments of the example by pipeline."""


def model_card(facts: Mapping[str, object], prompts: Sequence[str], pipeline: str) -> str:
    """The card in Markdown, from the sidecar's facts, with an example for the pipeline."""
    tag, imports, given = USES[pipeline]
    return CARD.format(
        **facts,
        tag=tag,
        imports=imports.format(pipeline),
        pipeline=pipeline,
        given=given,
        prompt=prompts[0],
        prompts="\n".join(f"- {prompt}" for prompt in prompts),
    )
