"""A local stand-in of the API that real clients cannot tell apart, and an oracle of what was paid for.

    shapes      what requests and answers look like; the OpenAPI document is made from them
    columns     kinds of columns, what they depend on, what they cost
    table       one table: rows, and one byte a cell
    schedule    time passing over a table: cells start, wait for others, end
    world       every table, the balance, the runs, the oracle
    answers     what a finished cell says
    encode      tables and rows as JSON bytes, a chunk at a time
    workspace   a description of a world, as plain data
    workspace_file   the same as YAML
    sample      a small one
    faults      what goes wrong, when, how often
    clone       a table copied with everything under it
    wire        requests and answers without a socket
    routing     which endpoint answers: Starlette's matching of paths
    access      how endpoints reach a world: what a path names, what is paid for
    api         the documented endpoints over a world, with tables_api, rows_api and columns_api
    control     the endpoints under /__simulator/
    openapi     the document at /openapi.json
    asgi        requests and faults at the wire
    server      uvicorn in a thread or in the foreground
    transport   the same without a socket, for httpx
    live        what a test asks, moves and breaks
    testing     pytest fixtures

Time and randomness are arguments: a seed decides every id, value, failure and duration; a clock can be advanced.
"""
