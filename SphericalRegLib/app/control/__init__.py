"""The state machine that runs a job beside a front end, and tells whoever listens."""
