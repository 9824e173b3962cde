"""Write a GGUF file of random weights in the shape of Llama-3.2-1B, to time engines on a larger model than the default one.

    pip install gguf==0.19.0
    python random_model.py TOKENIZER.gguf OUT.gguf Q4_0|Q8_0

The tokenizer is taken from TOKENIZER.gguf and padded to the shape's vocabulary. What such a model says is noise; its speed is not.
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter

LAYERS, HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, VOCABULARY = 16, 2048, 8192, 32, 8, 128256
HEAD_DIM = HIDDEN // HEADS
BLOCK = {"Q4_0": 18, "Q8_0": 34}

tokenizer_path, out, kind = sys.argv[1:]
random = np.random.default_rng(7)
writer = GGUFWriter(out, "llama")
writer.add_name(f"random-1b-{kind.lower()}")
writer.add_context_length(8192)
writer.add_embedding_length(HIDDEN)
writer.add_block_count(LAYERS)
writer.add_feed_forward_length(INTERMEDIATE)
writer.add_head_count(HEADS)
writer.add_head_count_kv(KV_HEADS)
writer.add_rope_dimension_count(HEAD_DIM)
writer.add_rope_freq_base(500000.0)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_vocab_size(VOCABULARY)
for field in GGUFReader(tokenizer_path).fields.values():
    if not field.name.startswith("tokenizer."):
        continue
    value = field.contents()
    if field.name == "tokenizer.ggml.tokens":
        writer.add_token_list(value + [f"<unused{i}>" for i in range(VOCABULARY - len(value))])
    elif field.name == "tokenizer.ggml.token_type":
        writer.add_token_types(value + [5] * (VOCABULARY - len(value)))
    elif field.types[0] == GGUFValueType.ARRAY:
        writer.add_array(field.name, value)
    else:
        writer.add_key_value(field.name, value, field.types[0])


def matrix(name, rows, columns):
    """Random blocks whose values have a standard deviation of about 1 / sqrt(columns)."""
    count = rows * columns // 32
    blocks = random.integers(0, 256, (count, BLOCK[kind]), dtype=np.uint8)
    step = (1 / 4.6 if kind == "Q4_0" else 1 / 73.9) / np.sqrt(columns)
    blocks[:, :2] = np.full(count, step, dtype=np.float16).view(np.uint8).reshape(count, 2)
    if kind == "Q8_0":
        blocks[:, 2:][blocks[:, 2:] == 128] = 0
    data = blocks.reshape(rows, columns // 32 * BLOCK[kind])
    writer.add_tensor(name, data, raw_dtype=GGMLQuantizationType[kind])


matrix("token_embd.weight", VOCABULARY, HIDDEN)
writer.add_tensor("output_norm.weight", np.ones(HIDDEN, dtype=np.float32))
for layer in range(LAYERS):
    prefix = f"blk.{layer}."
    for norm in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"{prefix}{norm}.weight", np.ones(HIDDEN, dtype=np.float32))
    matrix(f"{prefix}attn_q.weight", HIDDEN, HIDDEN)
    matrix(f"{prefix}attn_k.weight", KV_HEADS * HEAD_DIM, HIDDEN)
    matrix(f"{prefix}attn_v.weight", KV_HEADS * HEAD_DIM, HIDDEN)
    matrix(f"{prefix}attn_output.weight", HIDDEN, HIDDEN)
    matrix(f"{prefix}ffn_gate.weight", INTERMEDIATE, HIDDEN)
    matrix(f"{prefix}ffn_up.weight", INTERMEDIATE, HIDDEN)
    matrix(f"{prefix}ffn_down.weight", HIDDEN, INTERMEDIATE)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
