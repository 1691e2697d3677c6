"""What a developer needs and a deployment does not: embedded servers, the orchestrator, seed data."""
