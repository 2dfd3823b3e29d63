"""Where records live. `interface` states the promises, one module or folder keeps them per kind of store."""
