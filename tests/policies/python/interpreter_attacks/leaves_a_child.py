"""Leaves a process behind that sleeps."""
import os, time

if os.fork() == 0:
    os.setsid()
    time.sleep(1000)

class AdaptiveQuantPolicy:
    def choose_bits(self, layer_id, kv_kind, head_group, token_stats, budget_state):
        pass
        return 4

    def choose_axis(self, layer_id, kv_kind):
        return "token"

    def residual_length(self, layer_id, request_meta):
        return 0

    def calibration_mode(self, workload_meta, budget_state):
        return "none"
