"""One right question and its answer, in every form that a client may ask it in."""

import json

import numpy as np

from benchmarks.hostile.subject import LIGHT_MODEL
from open_inference import open_inference_grpc_pb2 as oip

X = np.array([[1.0, 2.0, 3.0, 4.0]], "<f4")
Y = [2.0, 4.0, 6.0]
JSON = {"Content-Type": "application/json"}


def raw(model: str = LIGHT_MODEL, rows: int = 1) -> bytes:
    x = np.repeat(X, rows, axis=0)
    tensor = oip.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=x.shape)
    return oip.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[x.tobytes()]).SerializeToString()


def is_right(answer: bytes) -> bool:
    """Say whether every row of an answer to `raw` is right."""
    contents = oip.ModelInferResponse.FromString(answer).raw_output_contents
    return bool((np.frombuffer(contents[0], "<f4").reshape(-1, len(Y)) == Y).all())


def rest_path(model: str = LIGHT_MODEL) -> str:
    return f"/v2/models/{model}/infer"


def rest_body(rows: int = 1) -> bytes:
    x = np.repeat(X, rows, axis=0)
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.tolist()}
    return json.dumps({"inputs": [tensor]}).encode()


def rest_is_right(body: bytes) -> bool:
    found = json.loads(body)["outputs"][0]["data"]
    return bool(found == Y * (len(found) // len(Y)))
