"""The endpoints, one file each: they read a request, call rules and ports, and write an answer. No SQL, no keys."""
