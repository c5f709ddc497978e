"""A seedling as llama.cpp reads it: python gguf_model.py FOLDER FILE."""

import json
import sys
from pathlib import Path

import gguf
from safetensors.numpy import load_file
from transformers import AutoTokenizer


def write_gguf(model, path):
    """Write the Qwen2 model of the folder `model`, and its tokenizer, to `path`, in 32 bits."""
    config = json.loads(Path(model, "config.json").read_text())
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, AutoTokenizer.from_pretrained(model))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config["num_hidden_layers"])
    for name, weight in load_file(Path(model, "model.safetensors")).items():
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokenizer(writer, tokenizer):
    """Add a tokenizer of bytes and added tokens, which merges nothing."""
    added = tokenizer.added_tokens_decoder
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    kinds = gguf.TokenType
    types = [kinds.NORMAL] * len(tokens)
    for place, token in added.items():
        types[place] = kinds.CONTROL if token.special else kinds.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["<pad> <pad>"])  # a list must not be empty; this never occurs
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(True)
    writer.add_chat_template(tokenizer.chat_template)


if __name__ == "__main__":
    write_gguf(*sys.argv[1:])
