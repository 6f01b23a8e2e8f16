"""The trace of one request: who may ask for it, what is written down, what is hidden, and how it reaches its reader."""
