"""The operator's package: development servers, orchestrator, command line, demo."""
