"""The session control plane: rules as tables of wrongs, endpoints in process over real stores, and the wall."""
