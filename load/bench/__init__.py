"""The bench: what each operation costs, in processor time, ours and a peer's in one run. See load/README.md."""
