"""What a program sees that knows nothing of preferences but sends its user: python profile.py BASE_URL. Prints `ok` at its end.

The server binds profiles to users, and has none at the beginning.
"""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="unused", max_retries=0, timeout=120)
MODEL = "smollm2-135m-instruct"
QUESTION = "What is the capital of France?"
PROFILE = "/preferences/profiles/alice"
WEIGHTS = {"concise": -2, "humorous": 2}


def said(**fields):
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}], max_tokens=24, temperature=0, **fields)
    return answer.choices[0].message.content, answer.usage.pad["preference_source"]


def responded(**fields):
    return client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=24, temperature=0, **fields)


plain, steered = said()[0], said(extra_body={"preference": WEIGHTS})[0]
assert plain != steered, plain
assert said(user="alice") == (plain, "default")
client.put(PROFILE, body={"preference": WEIGHTS}, cast_to=object)
assert said(user="alice") == (steered, "profile")
assert said(safety_identifier="alice") == (steered, "profile")
assert said(user="bob") == (plain, "default")
assert responded(user="alice").output_text == steered and responded(user="bob").output_text == plain
stored = client.get(f"{PROFILE}/export", cast_to=object)
assert len(stored["responses"]) == 1 and stored["profile"]["preference"] == WEIGHTS, stored
client.delete(PROFILE, cast_to=object)
assert said(user="alice") == (plain, "default")
try:
    client.get(PROFILE, cast_to=object)
except openai.NotFoundError as error:
    assert error.code == "profile_not_found", error
else:
    raise AssertionError("it is deleted")
print("ok")
