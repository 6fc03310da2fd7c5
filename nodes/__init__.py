"""Node packs that come with graphflow; installed as `graphflow_nodes`."""
