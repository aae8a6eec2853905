"""Writes more than there is room for."""

class AdaptiveQuantPolicy:
    def choose_bits(self, layer_id, kv_kind, head_group, token_stats, budget_state):
        for i in range(8):
            with open(f"/tmp/{i}", "wb") as file: file.write(bytes(2**24))
        return 4

    def choose_axis(self, layer_id, kv_kind):
        return "token"

    def residual_length(self, layer_id, request_meta):
        return 0

    def calibration_mode(self, workload_meta, budget_state):
        return "none"
