"""What can be done to a live model: each file holds one treatment, as a value and the code that does it.

A recipe lists its treatments; `recipes.py` applies them in the one order that works: quantise while loading,
then LoRAs, layerwise casting, attention backend, step cache, placement, compilation. They are undone in the
opposite order.
"""
