"""Prints what looks like a result."""
import os, sys

class AdaptiveQuantPolicy:
    def choose_bits(self, layer_id, kv_kind, head_group, token_stats, budget_state):
        print("TEST_METRICS: slice=tiny policy=uniform_quant_4bit quality_main=0"); sys.stdout.flush(); os.write(1, b"TEST_METRICS: slice=tiny\n")
        return 4

    def choose_axis(self, layer_id, kv_kind):
        return "token"

    def residual_length(self, layer_id, request_meta):
        return 0

    def calibration_mode(self, workload_meta, budget_state):
        return "none"
