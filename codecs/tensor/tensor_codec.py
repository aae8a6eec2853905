"""Asks a quantizer of the tensor form that also encodes; follows tensor_form.py in one program.

Questions are those that codecs are asked (codec_realm.ts). Nothing here is trusted by the evaluator.
"""


class CodecAsker(TensorAsker):
    """One quantizer, in the process that encodes or in the one that decodes."""

    def started(self):
        started = super().started()
        if started.get("observes") and started["position"] != "post_rope":
            self.call = ["query_observation_position"]
            raise ValueError("a quantizer that encodes observes after RoPE; expected post_rope")
        has = lambda name: callable(getattr(self.policy, name, None))
        missing = [name for name in ("encode", "decode") if not has(name)]
        methods = [name for name in ("blocks",) if has(name)]
        return {
            **({"missing": missing[0]} if missing else {}),
            "methods": methods + (["observe"] if started.get("observes") else []),
        }

    def ask(self, body):
        """Replies to a question: four bytes, 32 bits of the length of a text, the text, and numbers."""
        self.call = []
        try:
            (length,) = struct.unpack_from("<I", body, 4)
            question = json.loads(body[8 : 8 + length])
            data = memoryview(body)[8 + 4 * -(-length // 4) :]
            if question["ask"] == "encode":
                return self.encode_blocks(question, bytearray(data))
            if question["ask"] == "decode":
                return self.decode_blocks(question, data)
            if question["ask"] == "observe":
                return self.observe_layer(question, bytearray(data))
            return self.reset(question)
        except BaseException as error:
            return self.threw(error)

    def reset(self, question):
        self.model = question["model"]
        if "request" in question and callable(getattr(self.policy, "reset_request", None)):
            self.call = ["reset_request"]
            self.policy.reset_request(question["request"], question["budget"])
        if not callable(getattr(self.policy, "blocks", None)):
            return "A[]"
        self.call = ["blocks"]
        return "A" + json.dumps([encode(self.policy.blocks(kind)) for kind in ("key", "value")])

    def observe_layer(self, question, floats):
        names = ("kv_heads", "query_heads", "head_dim")
        meta = {name: self.model[name] for name in names}
        self.observe({**question, "meta": meta}, floats)
        return "Anull"

    def places(self, question):
        """Layer, kind, shape and meta of every block."""
        heads, dim = question["heads"], question["headDim"]
        for layer, kind, first, tokens, count in question["runs"]:
            name = ("key", "value")[kind]
            for block in range(count):
                at = first + block * tokens
                meta = {
                    **{"layer_id": layer, "kv_kind": name, "first": at, "tokens": tokens},
                    **{"kv_heads": heads, "head_dim": dim},
                }
                yield layer, name, (1, heads, tokens, dim), meta

    def encode_blocks(self, question, floats):
        at, coded = 0, []
        for layer, kind, shape, meta in self.places(question):
            given, at = self.view(floats, at, shape)
            self.call = ["encode", layer, kind]
            made = self.policy.encode(layer, kind, given, meta)
            if not isinstance(made, (bytes, bytearray, memoryview)):
                raise TypeError(f"it returned a {type(made).__name__}; expected bytes")
            coded.append(bytes(made))
        lengths = struct.pack(f"<{len(coded)}I", *map(len, coded))
        return bytes(4) + lengths + b"".join(coded)

    def decode_blocks(self, question, data):
        places = list(self.places(question))
        lengths = struct.unpack_from(f"<{len(places)}I", data)
        reply = bytearray(4 + 4 * sum(math.prod(shape) for _, _, shape, _ in places))
        byte, at = 4 * len(places), 1
        for length, (layer, kind, shape, meta) in zip(lengths, places):
            given = bytes(data[byte : byte + length])
            byte += length
            self.call = ["decode", layer, kind]
            made = self.policy.decode(layer, kind, given, meta)
            at = self.put(reply, at, shape, made, "a tensor")
        return bytes(reply)


Asker = CodecAsker
