"""How the embedded model is made: `python -m graphflow_nodes.toyworld.training`."""
