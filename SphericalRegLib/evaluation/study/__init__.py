"""What a comparison study measures, wherever it runs: cases kept as they are done, engines, bars, and its result."""
