"""A steered answer, why its tokens were chosen, and the reward of a given answer."""

import os

from openai import OpenAI

url = os.environ.get("PAD_URL", "http://localhost:8080")
client = OpenAI(base_url=f"{url}/v1", api_key=os.environ.get("PAD_API_KEY", "unused"))
model = client.models.list().data[0].id
question = {"role": "user", "content": "Why is the sky blue?"}

plain = client.chat.completions.create(model=model, messages=[question], temperature=0, max_tokens=40)
steered = client.chat.completions.create(
    model=model,
    messages=[question],
    temperature=0,
    max_tokens=40,
    extra_body={"preference": {"concise": 1}, "pad": {"trace": True}},
)
print("plain:  ", plain.choices[0].message.content)
print("steered:", steered.choices[0].message.content)

for token in steered.choices[0].pad["trace"]:
    if token["base_rank"] > 0:
        first = token["candidates"][0]
        print(f"steered to {token['text']!r}: reward {token['reward']:.2f} against {first['reward']:.2f} of the base model's first")

answer = {"role": "assistant", "content": plain.choices[0].message.content}
scores = client.post("/rewards", cast_to=object, body={"messages": [question, answer], "preference": {"concise": 1}})
print("reward of the plain answer on every dimension:", scores["dimensions"])
