"""The stock classes of diffusers and transformers as plain values: they carry no (or wrong) types."""

from typing import Any, TypeAlias

import diffusers
import transformers
from diffusers.models.autoencoders import autoencoder_kl_wan
from diffusers.models.transformers import transformer_wan

Stock: TypeAlias = Any
"""An object of one of the classes below."""

AutoencoderKLWan: Stock = diffusers.AutoencoderKLWan
FlowMatchEulerDiscreteScheduler: Stock = diffusers.FlowMatchEulerDiscreteScheduler
WanPipeline: Stock = diffusers.WanPipeline
WanImageToVideoPipeline: Stock = diffusers.WanImageToVideoPipeline
WanVACEPipeline: Stock = diffusers.WanVACEPipeline
WanVideoToVideoPipeline: Stock = diffusers.WanVideoToVideoPipeline
WanVACETransformer3DModel: Stock = diffusers.WanVACETransformer3DModel
WanTransformer3DModel: Stock = diffusers.WanTransformer3DModel
WanAttnProcessor: Stock = transformer_wan.WanAttnProcessor
PreTrainedTokenizerFast: Stock = transformers.PreTrainedTokenizerFast
UMT5Config: Stock = transformers.UMT5Config
UMT5EncoderModel: Stock = transformers.UMT5EncoderModel
WanResample: Stock = autoencoder_kl_wan.WanResample
WanResidualBlock: Stock = autoencoder_kl_wan.WanResidualBlock
patchify: Stock = autoencoder_kl_wan.patchify
unpatchify: Stock = autoencoder_kl_wan.unpatchify
