"""Policy text to running steps: `markup` reads, `element` and `values` bind, `compile` makes steps, `link` splices
scopes at `<base/>`, `run` executes."""
