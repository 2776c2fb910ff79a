"""The few machine-level operations that make the numba kernel fast.

numba widens every 32-bit index to 64 bits, which halves the width of the vector gathers, and loads the two corners
of a voxel edge separately. These intrinsics keep index arithmetic in 32 bits and fetch an edge's two float32 at once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from SphericalRegLib.compilation import inlined
from SphericalRegLib.rendering.ray.target import Target

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()


@intrinsic
def truncate(typing_context: Any, value: Any) -> Any:
    """int32 of a float, towards zero; the caller guarantees that it fits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptosi(arguments[0], _I32)

    return types.int32(value), generate


@intrinsic
def multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c in int32 without overflow check; the caller guarantees that it fits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        product = builder.mul(arguments[0], arguments[1], flags=("nsw",))
        return builder.add(product, arguments[2], flags=("nsw",))

    return types.int32(types.int32, types.int32, types.int32), generate


@intrinsic
def load_edge(typing_context: Any, array: Any, index: Any) -> Any:
    """(array[index], array[index + 1]) of a contiguous float32 or float64 array and an int32 index, unchecked."""
    element = array.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
        index64 = builder.sext(arguments[1], _I64)
        pointer = builder.gep(data, [index64], inbounds=True)
        if element == types.float32:
            # one 64-bit load, aligned to 4 only; little-endian: the first float is in the low half
            word = builder.load(builder.bitcast(pointer, _I64.as_pointer()))
            word.align = 4
            low = builder.bitcast(builder.trunc(word, _I32), _F32)
            high = builder.bitcast(builder.trunc(builder.lshr(word, ir.Constant(_I64, 32)), _I32), _F32)
        else:
            low = builder.load(pointer)
            following = builder.gep(data, [builder.add(index64, ir.Constant(_I64, 1))], inbounds=True)
            high = builder.load(following)
        return context.make_tuple(builder, signature.return_type, (low, high))

    return types.UniTuple(element, 2)(array, types.int32), generate


#: What the functions of a ray are compiled for here.
CPU = Target(inlined(), inlined(fastmath=True), truncate, multiply_add, load_edge)
