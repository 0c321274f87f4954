"""Requests that nobody wrote by hand, sent to the OAuth endpoints, and orders of acts that nobody thought of.

`description` tells what the endpoints take (schemas/openapi.yaml), `generation` makes requests of it (`request`, with
`placeholders`), `sending` sends one, `conduct` says what must hold of every answer, and `session` puts them together.

Of a flow, `flow_model` knows what is true after each of the `acts`; `machine` draws orders of them, beside the beaten
`paths`; the `parties` do them, `properties` say what must hold whatever the order, and `flows` puts them together.

`case` keeps what broke a rule, `replay` tries it again. `job` does all of it in processes of its own, beside the
scenarios (`process` starts one, `standby` before it is known what for; `worker` is what it runs, `assignment` passes
between them); `verdicts` and `flow_verdicts` judge what came of it, in the `words` of the scenarios.
"""
