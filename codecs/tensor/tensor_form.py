"""Asks a quantizer in the tensor form of the published task; follows ask_policy.py in one program.

Tensors come and go as float32, one after the other, behind the JSON text of a question. Nothing here
is trusted by the evaluator.
"""
import struct


class TensorAsker(Asker):
    """One quantizer."""

    def started(self):
        policy = self.policy
        has = lambda name: callable(getattr(policy, name, None))
        encodes = has("encode") and has("decode")
        missing = [name for name in self.words["required"] if not has(name)]
        if missing and not encodes:
            return {"missing": missing[0], "methods": self.methods()}
        self.call = ["import torch"]
        import torch

        self.torch = torch
        self.call = ["needs_prefill_qkv_observer"]
        observes = has("needs_prefill_qkv_observer") and policy.needs_prefill_qkv_observer()
        position = "post_rope"
        if observes and has("query_observation_position"):
            self.call = ["query_observation_position"]
            position = policy.query_observation_position()
        return {
            "encodes": encodes,
            "observes": bool(observes),
            "position": encode(position),
            "methods": self.methods(),
        }

    def ask(self, body):
        """Replies to a question: 32 bits of the length of a text, the text, and tensors."""
        self.call = []
        try:
            (length,) = struct.unpack_from("<I", body)
            question = json.loads(body[4 : 4 + length])
            # A copy, so that the quantizer may write into what it is given.
            floats = bytearray(memoryview(body)[4 + length :])
            if question["ask"] == "quantize":
                return self.quantize(question, floats)
            if question["ask"] == "observe":
                self.observe(question, floats)
            elif callable(getattr(self.policy, "reset_request", None)):
                self.call = ["reset_request"]
                self.policy.reset_request(question["request"], question["budget"])
            return "Anull"
        except BaseException as error:
            return self.threw(error)

    def view(self, memory, at, shape):
        """A float32 tensor over a part of memory."""
        count = math.prod(shape)
        flat = self.torch.frombuffer(
            memory, dtype=self.torch.float32, offset=4 * at, count=count
        )
        return flat.reshape(*shape), at + count

    def put(self, memory, at, shape, tensor, expected="a tensor, or a tensor and bits"):
        """Writes what a call returned into a part of memory, if it is a tensor of that shape."""
        if not isinstance(tensor, self.torch.Tensor):
            name = type(tensor).__name__
            raise TypeError(f"it returned a {name}; expected {expected}")
        if tuple(tensor.shape) != shape:
            raise TypeError(f"it returned a tensor {list(tensor.shape)}; expected {list(shape)}")
        restored, end = self.view(memory, at, shape)
        with self.torch.no_grad():
            restored.copy_(tensor)
        return end

    def number(self, bits):
        """Claimed bits, which NaN would pass off as none."""
        if isinstance(bits, (str, bytes, bytearray, bool)):
            raise TypeError(f"its bits are a {type(bits).__name__}; expected a number")
        if math.isnan(float(bits)):
            raise TypeError("it returned NaN bits; expected a number from 0 to 32")
        return float(bits)

    def observe(self, question, floats):
        meta, tokens = question["meta"], question["tokens"]
        at, tensors = 0, []
        for heads in (meta["query_heads"], meta["kv_heads"], meta["kv_heads"]):
            tensor, at = self.view(floats, at, (1, heads, tokens, meta["head_dim"]))
            tensors.append(tensor)
        self.call = ["observe_prefill_qkv", question["layer"]]
        self.policy.observe_prefill_qkv(question["layer"], *tensors, meta)

    def quantize(self, question, floats):
        """Restored tensors, behind the average bits that are claimed of each, NaN where none are."""
        reply = bytearray(4 + 4 * len(question["items"]) + len(floats))
        at, bits = 0, []
        for layer, kind, meta in question["items"]:
            shape = (1, meta["kv_heads"], meta["tokens"], meta["head_dim"])
            given, end = self.view(floats, at, shape)
            self.call = [f"quantize_{kind}", layer]
            made = getattr(self.policy, f"quantize_{kind}")(layer, given, meta)
            made = made if isinstance(made, (tuple, list)) else (made, None)
            if len(made) != 2:
                what = f"it returned {len(made)} values; expected a tensor, or a tensor and bits"
                raise TypeError(what)
            tensor, claimed = made
            self.put(reply, 1 + len(question["items"]) + at, shape, tensor)
            if claimed is None and callable(getattr(self.policy, "estimate_bits", None)):
                self.call = ["estimate_bits", layer, kind]
                claimed = self.policy.estimate_bits(
                    layer, kind, meta["tokens"], meta["head_dim"], meta
                )
            bits.append(math.nan if claimed is None else self.number(claimed))
            at = end
        struct.pack_into(f"<{len(bits)}f", reply, 4, *bits)
        return bytes(reply)


Asker = TensorAsker
