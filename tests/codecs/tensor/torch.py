"""As much of PyTorch as the tensor form asks for: views of float32 memory, with shapes.

Stands where the system's interpreter has no PyTorch; what quantizers of the tests do with a tensor is
plain Python over `values`.
"""
import contextlib
import math

float32 = "float32"


class Tensor:
    def __init__(self, values, shape):
        self.values, self.shape = values, tuple(shape)

    def reshape(self, *shape):
        assert math.prod(shape) == len(self.values)
        return Tensor(self.values, shape)

    def copy_(self, other):
        assert other.shape == self.shape
        self.values[:] = other.values


def frombuffer(memory, dtype, offset, count):
    assert dtype == float32 and offset % 4 == 0
    return Tensor(memoryview(memory)[offset : offset + 4 * count].cast("f"), (count,))


@contextlib.contextmanager
def no_grad():
    yield
