"""Results kept for later: `memory` (this process), `disk` (every process), `tiers` (both as one)."""
