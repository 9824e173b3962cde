"""What Schemathesis does between making a request from the document and judging its answer."""

import schemathesis

# Tokens that a generated request gets: enough for several events, and few so that hundreds of requests take seconds.
MOST_TOKENS = 4

LIMITS = {
    "/v1/chat/completions": ["max_tokens", "max_completion_tokens"],
    "/v1/completions": ["max_tokens"],
    "/v1/responses": ["max_output_tokens"],
    "/v1/preferences/profiles/{name}/elicit": ["max_tokens"],
}

# What the document allows, where it has a limit of its own: more than that is wrong, and stays so.
ALLOWED = {"/v1/preferences/profiles/{name}/elicit": 256}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Bound what would be generated up to the context's end; what is wrong stays as wrong as it is."""
    limits = LIMITS.get(case.operation.path)
    if case.operation.method.upper() != "POST" or limits is None or not isinstance(case.body, dict):
        return
    if all(case.body.get(name) is None for name in limits):
        case.body = {**case.body, limits[-1]: MOST_TOKENS}
    for name in limits:
        most = ALLOWED.get(case.operation.path, float("inf"))
        if type(case.body.get(name)) is int and (MOST_TOKENS < case.body[name] <= most or case.body[name] == -1 and most == float("inf")):
            case.body = {**case.body, name: MOST_TOKENS}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The document gives the schema of the JSON in an event; Schemathesis wants that of the event around it."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                for media, content in response.get("content", {}).items():
                    if media == "text/event-stream":
                        content["schema"] = event(content["schema"])


def event(schema):
    end = {"properties": {"data": {"const": "[DONE]"}}}
    chunk = {"properties": {"data": {"contentMediaType": "application/json", "contentSchema": schema}}}
    return {"type": "object", "required": ["data"], "if": end, "then": True, "else": chunk}
