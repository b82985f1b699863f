"""What many write first: `model.predict` in a grpcio handler. Run it with .venv/training/bin/python; see serving_server.py."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import keras
import numpy as np

model = keras.models.load_model(sys.argv[1], compile=False)
ROW_BYTES = 4 * model.input_shape[1]


def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
    x = np.frombuffer(request[-ROW_BYTES:], "<f4").reshape(1, -1)
    return bytes(model.predict(x, verbose=0).tobytes())


handler: "grpc.RpcMethodHandler[bytes, bytes]" = grpc.unary_unary_rpc_method_handler(answer)
server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": handler}),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
