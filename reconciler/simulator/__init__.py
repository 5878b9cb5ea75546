"""A local stand-in for the API that real clients cannot tell apart from it, and an oracle of what was paid for.

    shapes      the types of requests and answers; the OpenAPI document is made from them
    columns     kinds of columns, what they depend on, what they cost
    table       one table: rows, and one byte per cell
    schedule    the passing of time in a table: cells start, wait for others, end
    world       every table, the balance, the runs, the oracle
    answers     the values of finished cells
    encode      tables and rows as JSON bytes, one chunk at a time
    workspace   a description of a world, as plain data
    workspace_file   the same as YAML
    sample      a small one
    faults      faults: what goes wrong, when and how often
    clone       a table copied with everything under it
    wire        requests and answers without a socket
    routing     which endpoint answers: Starlette's matching of paths
    access      how endpoints reach a world: ids in paths, payment
    api         the documented endpoints over a world, with tables_api, rows_api and columns_api
    control     the endpoints under /__simulator/
    openapi     the document at /openapi.json
    asgi        requests and faults at the wire
    server      uvicorn in a thread or in the foreground
    transport   the same without a socket, for httpx
    live        the controls and the oracle for tests
    testing     pytest fixtures

Time and randomness are arguments: a seed decides every id, value, failure and duration; a clock can be advanced.
"""
