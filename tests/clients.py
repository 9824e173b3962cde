"""Client programs against a server: python clients.py URL. Each of them sends what it sends by habit; "ok" at the end."""

import sys
from typing import Literal

import instructor
import litellm
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

url = sys.argv[1]
name = OpenAI(base_url=url, api_key="none").models.list().data[0].id
question = "Name a colour."


class Colour(BaseModel):
    colour: Literal["red", "green", "blue"]


@tool
def mix(first: str, second: str) -> str:
    """Mix two colours."""
    return f"{first} and {second}"


def langchain():
    chat = ChatOpenAI(base_url=url, api_key="none", model=name, temperature=0, max_tokens=12, extra_body={"preference": {"concise": 1}})
    assert chat.invoke(question, stop=[]).content
    assert "".join(chunk.content for chunk in chat.stream(question))
    answers = chat.batch([question, "Name an animal."])
    assert all(answer.usage_metadata["output_tokens"] > 0 for answer in answers)
    forced = chat.bind_tools([mix], tool_choice="any", parallel_tool_calls=False).bind(max_tokens=120)
    calls = forced.invoke("Mix red and blue.").tool_calls
    assert [call["name"] for call in calls] == ["mix"], calls
    for method in ["json_schema", "function_calling"]:
        # One draw in twenty adds fields of its own to the call, which the schema allows, until its tokens are used up.
        held = ChatOpenAI(base_url=url, api_key="none", model=name, max_tokens=120, temperature=0)
        assert isinstance(held.with_structured_output(Colour, method=method).invoke(question), Colour), method
    reply = ChatOpenAI(base_url=url, api_key="none", model=name, max_tokens=12, use_responses_api=True).invoke(question)
    assert reply.text


def litellm_sdk():
    asked = {"model": f"openai/{name}", "api_base": url, "api_key": "none", "messages": [{"role": "user", "content": question}]}
    answer = litellm.completion(**asked, max_tokens=12, stop=[], top_p=0, extra_body={"preference": {"concise": 1}})
    assert answer.choices[0].message.content and answer.usage.completion_tokens
    parts = litellm.completion(**asked, max_tokens=12, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in parts)
    try:
        litellm.completion(**{**asked, "messages": [{"role": "user", "content": "word " * 20000}]}, max_tokens=12)
    except litellm.ContextWindowExceededError:
        pass
    else:
        raise AssertionError("a prompt beyond the context")


def pydantic_ai():
    provider = OpenAIProvider(base_url=url, api_key="none")
    for model in [OpenAIChatModel(name, provider=provider), OpenAIResponsesModel(name, provider=provider)]:
        settings = {"max_tokens": 12, "temperature": 0.0, "stop_sequences": []}
        assert Agent(model, model_settings=settings).run_sync(question).output
    held = Agent(OpenAIChatModel(name, provider=provider), output_type=Colour, model_settings={"max_tokens": 120}, retries=3)
    assert isinstance(held.run_sync(question).output, Colour)


def instructor_sdk():
    for mode in [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA]:
        client = instructor.from_openai(OpenAI(base_url=url, api_key="none"), mode=mode)
        messages = [{"role": "user", "content": question}]
        assert isinstance(client.chat.completions.create(model=name, response_model=Colour, messages=messages, max_tokens=120), Colour)


for client in [langchain, litellm_sdk, pydantic_ai, instructor_sdk]:
    client()
    print(client.__name__)
print("ok")
