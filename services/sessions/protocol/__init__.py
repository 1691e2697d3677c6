"""Rules on values: selectors, policy, listing, cursors. No I/O, no clock; faults are values."""
