"""What the events add up to: pure, total folds that can be rebuilt at any time from position 0."""
