"""What a program sees that uses the OpenAI SDK: python sdk.py BASE_URL. Prints `ok` at its end."""

import sys
import typing

import openai
import pydantic

client = openai.OpenAI(base_url=sys.argv[1], api_key="unused", max_retries=0, timeout=120)
MODEL = "smollm2-135m-instruct"
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


def create(**fields):
    request = {"model": MODEL, "messages": MESSAGES, "max_tokens": 16, "temperature": 0, **fields}
    return client.chat.completions.create(**request)


def whole():
    completion = create()
    assert completion.object == "chat.completion" and completion.id.startswith("chatcmpl-"), completion
    choice = completion.choices[0]
    assert choice.message.role == "assistant" and choice.message.refusal is None, choice
    assert choice.finish_reason == "stop" and "Paris" in choice.message.content, choice
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage
    assert usage.prompt_tokens_details.cached_tokens is not None, usage
    assert completion.system_fingerprint, completion
    return choice.message.content


def streamed(**fields):
    text, finishes, roles, usage, ids = "", [], [], None, set()
    stream = create(stream=True, stream_options={"include_usage": True}, **fields)
    for chunk in stream:
        ids.add(chunk.id)
        if not chunk.choices:
            assert usage is None, "usage comes once"
            usage = chunk.usage
            continue
        choice = chunk.choices[0]
        text += choice.delta.content or ""
        roles += [choice.delta.role] if choice.delta.role else []
        finishes += [choice.finish_reason] if choice.finish_reason else []
    assert len(ids) == 1 and roles == ["assistant"] and len(finishes) == 1 and usage, (ids, roles, finishes, usage)
    return text, usage


def accumulated():
    """The SDK's own accumulation of a stream."""
    request = {"model": MODEL, "messages": MESSAGES, "max_tokens": 16, "temperature": 0}
    with client.chat.completions.stream(**request) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
    return final.choices[0].message.content


def with_logprobs():
    choice = create(logprobs=True, top_logprobs=2, logit_bias={"42": -100}, frequency_penalty=0.1).choices[0]
    entries = choice.logprobs.content
    assert "".join(entry.token for entry in entries) == choice.message.content, choice
    assert b"".join(bytes(entry.bytes) for entry in entries).decode() == choice.message.content, choice
    assert all(len(entry.top_logprobs) == 2 and entry.logprob <= 0 for entry in entries), choice
    request = {"model": MODEL, "messages": MESSAGES, "max_tokens": 16, "temperature": 0, "logprobs": True}
    with client.chat.completions.stream(**request) as stream:
        final = stream.get_final_completion().choices[0]
    assert "".join(entry.token for entry in final.logprobs.content) == final.message.content, final


def steered():
    named = create(extra_body={"preference": {"humorous": 1.5}, "pad": {"trace": True}})
    ordered = create(extra_body={"preference": [0] * 8 + [1.5] + [0] * 4, "pad": {"trace": True}})
    assert named.choices[0].message.content == ordered.choices[0].message.content, (named, ordered)
    for completion in (named, ordered):
        assert completion.usage.pad["reward_lanes"] == 1, completion.usage
        trace = completion.choices[0].pad["trace"]
        assert len(trace) == completion.usage.completion_tokens, trace
        assert "humorous" in trace[0]["rewards"], trace[0]
    text, usage = streamed(extra_body={"preference": [0] * 8 + [1.5] + [0] * 4})
    assert text == named.choices[0].message.content and usage.pad["reward_lanes"] == 1, (text, usage)


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "people": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": SCHEMA}}
TOOL = {"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": SCHEMA}}


class City(pydantic.BaseModel):
    city: str
    people: int


def of_a_schema():
    for fields in [{}, {"extra_body": {"preference": {"humorous": 1.5}}}]:
        content = create(response_format=FORMAT, max_tokens=80, **fields).choices[0].message.content
        City.model_validate_json(content, strict=True)
        assert streamed(response_format=FORMAT, max_tokens=80, **fields)[0] == content, content
    request = {"model": MODEL, "messages": MESSAGES, "max_tokens": 300, "temperature": 0}
    parsed = client.chat.completions.parse(response_format=Short, **request).choices[0].message.parsed
    assert parsed.word in ("yes", "no"), parsed
    assert create(response_format={"type": "json_object"}).choices[0].message.content.startswith("{")


class Short(pydantic.BaseModel):
    word: typing.Literal["yes", "no"]


def with_tools():
    named = {"type": "function", "function": {"name": "get_weather"}}
    request = {"model": MODEL, "messages": MESSAGES, "max_tokens": 120, "temperature": 0, "tools": [TOOL], "tool_choice": named}
    choice = client.chat.completions.create(**request).choices[0]
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls" and choice.message.content is None, choice
    assert call.type == "function" and call.function.name == "get_weather" and call.id, call
    City.model_validate_json(call.function.arguments, strict=True)
    with client.chat.completions.stream(**request) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion().choices[0]
    assert "tool_calls.function.arguments.done" in kinds, kinds
    (again,) = final.message.tool_calls
    assert again.function.arguments == call.function.arguments and final.finish_reason == "tool_calls", final
    result = {"role": "tool", "tool_call_id": call.id, "content": "It is sunny."}
    messages = [*MESSAGES, choice.message, result]
    assert create(messages=messages, tools=[TOOL], tool_choice="none").choices[0].message.content


def refused():
    for kind, param, fields in [
        (openai.BadRequestError, "preference", {"extra_body": {"preference": {"humour": 1}}}),
        (openai.BadRequestError, "preference", {"extra_body": {"preference": [1]}}),
        (openai.BadRequestError, "temperature", {"temperature": 9}),
        (openai.BadRequestError, "messages", {"messages": []}),
        (openai.BadRequestError, "top_logprobs", {"top_logprobs": 2}),
        (openai.BadRequestError, "logit_bias", {"logit_bias": {"42": 101}}),
        (openai.BadRequestError, "tools[0].function.name", {"tools": [{"type": "function", "function": {"name": "a b"}}]}),
        (openai.BadRequestError, "tool_choice", {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (openai.BadRequestError, "response_format.json_schema", {"response_format": {"type": "json_schema"}}),
        (openai.NotFoundError, "model", {"model": "gpt-9"}),
    ]:
        for stream in (False, True):
            try:
                create(stream=stream, **fields)
            except kind as error:
                assert error.param == param, (error.param, param)
                assert error.type == "invalid_request_error" and error.message, error
            else:
                raise AssertionError(f"{fields} is refused")


def completed():
    """Plain prompts: whole, several, streamed."""
    request = {"model": MODEL, "prompt": "The capital of France is", "max_tokens": 4, "temperature": 0}
    whole = client.completions.create(**request, logprobs=2)
    choice = whole.choices[0]
    assert whole.object == "text_completion" and "Paris" in choice.text and choice.finish_reason == "length", whole
    assert "".join(choice.logprobs.tokens) == choice.text and choice.logprobs.text_offset[0] == 0, choice
    several = client.completions.create(**{**request, "prompt": ["One, two,", "The capital of France is"]}, echo=True)
    assert several.choices[1].text == request["prompt"] + choice.text, several
    chunks = list(client.completions.create(**request, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == choice.text, chunks
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["length"], chunks


def responded(text):
    """Responses: whole, in typed events, one after the other."""
    request = {"model": MODEL, "input": MESSAGES[0]["content"], "max_output_tokens": 16, "temperature": 0}
    whole = client.responses.create(**request)
    assert whole.output_text == text and whole.status == "completed", whole
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens, whole.usage
    events = list(client.responses.create(**request, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events))), events
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == text, events
    assert events[-1].type == "response.completed" and events[-1].response.output_text == text, events[-1]
    second = client.responses.create(**{**request, "input": "And of Spain?"}, previous_response_id=whole.id)
    assert second.usage.input_tokens > whole.usage.total_tokens and second.output_text, second
    assert client.responses.retrieve(whole.id).output_text == text
    with client.responses.stream(**request) as stream:
        assert stream.get_final_response().output_text == text
    try:
        client.responses.create(**request, previous_response_id="resp_nothing")
    except openai.NotFoundError as error:
        assert error.param == "previous_response_id", error
    else:
        raise AssertionError("nothing is followed")


def every_field():
    """What the SDK's own tests send, but for what is refused: `suffix`, and following a response that was never made."""
    fields = {"best_of": 1, "echo": False, "frequency_penalty": -2, "logit_bias": {"42": 0}, "logprobs": 0, "max_tokens": 4, "n": 1}
    fields |= {"presence_penalty": -2, "seed": 7, "stop": "\n", "temperature": 1, "top_p": 1, "user": "user-1234"}
    prompt = {"model": MODEL, "prompt": "This is a test.", **fields}
    assert client.completions.create(**prompt).choices[0].finish_reason in ("stop", "length")
    options = {"include_obfuscation": True, "include_usage": True}
    chunks = list(client.completions.create(**prompt, stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0, chunks
    fields = {"background": False, "include": [], "instructions": "Be kind.", "max_output_tokens": 16, "metadata": {"foo": "string"}}
    fields |= {"parallel_tool_calls": True, "prompt_cache_key": "key-1234", "prompt_cache_retention": "in_memory"}
    fields |= {"reasoning": {"effort": "none"}, "safety_identifier": "user-1234", "service_tier": "auto", "store": True}
    fields |= {"stream_options": {"include_obfuscation": True}, "temperature": 1, "text": {"format": {"type": "text"}, "verbosity": "low"}}
    fields |= {"tool_choice": "none", "top_logprobs": 0, "top_p": 1, "truncation": "disabled", "user": "user-1234"}
    events = list(client.responses.create(model=MODEL, input="string", stream=True, **fields))
    assert events[-1].type in ("response.completed", "response.incomplete"), events[-1]
    assert events[-1].response.metadata == {"foo": "string"}, events[-1]


def embedded():
    """The SDK asks for base64 and decodes it, unless told otherwise."""
    texts = ["A cat sleeps on the sofa.", "A kitten is asleep on the couch.", "The stock market fell by two percent."]
    answer = client.embeddings.create(model=MODEL, input=texts)
    assert [entry.index for entry in answer.data] == [0, 1, 2] and answer.usage.total_tokens > 10, answer.usage
    vectors = [entry.embedding for entry in answer.data]
    assert all(len(vector) == 576 and abs(sum(x * x for x in vector) - 1) < 1e-5 for vector in vectors)
    near, far = (sum(x * y for x, y in zip(vectors[0], other)) for other in vectors[1:])
    assert near > far, (near, far)
    plain = client.embeddings.create(model=MODEL, input=texts[1], encoding_format="float").data[0].embedding
    assert max(abs(x - y) for x, y in zip(plain, vectors[1])) < 1e-7, "alone and in company it is the same"
    try:
        client.embeddings.create(model=MODEL, input="a", dimensions=64)
        raise AssertionError("it is refused")
    except openai.BadRequestError as error:
        assert error.body["param"] == "dimensions", error


def models():
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "pad"


text = whole()
assert streamed()[0] == text and accumulated() == text, text
with_logprobs()
steered()
of_a_schema()
with_tools()
refused()
models()
embedded()
every_field()
completed()
responded(text)
print("ok")
