"""The pages: `developer.py` for everyone, `console.py` for the operator."""
