"""Requests that nobody wrote by hand, sent to the OAuth endpoints.

`description` tells what the endpoints take (schemas/openapi.yaml), `generation` makes requests of it, `conduct` says
what must hold of every answer, `session` sends them, `case` keeps one that broke a rule, `replay` sends it again, `job`
does all of it in a process of its own, beside the scenarios (`worker` is that process, `assignment` what passes between
the two), and `verdicts` judges what came of it, in the `words` of the scenarios.
"""
