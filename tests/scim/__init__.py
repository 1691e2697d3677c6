"""The directory: its rules as tables of values, its endpoints in process with real stores."""
