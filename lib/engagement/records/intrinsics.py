"""What compiled functions may ask of the processor, beyond what numba knows of Python."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FOR_READING, _KEPT_A_LITTLE, _OF_DATA = 0, 2, 1


def _eight_bytes(typing_context: Any, data: Any, at: Any) -> tuple[Any, Any]:
    """Eight bytes of an array of bytes as a number, of which the first byte is the lowest.

    They must be within the array, which is not checked.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, types.int64), generate


def _prefetch(typing_context: Any, data: Any, at: Any) -> tuple[Any, Any]:
    """Let what stands at a place of an array come near, since it is read or written soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(_place(context, builder, signature, arguments), pointer)
        how = [ir.Constant(number, n) for n in (_FOR_READING, _KEPT_A_LITTLE, _OF_DATA)]
        builder.call(function, [place, *how])
        return context.get_dummy_value()

    return types.void(data, types.int64), generate


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


eight_bytes: Any = intrinsic(_eight_bytes)
prefetch: Any = intrinsic(_prefetch)
