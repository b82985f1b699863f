"""pushline.serving.v1's messages to questions, and answers back."""

from pushline.engine.engine import Array
from pushline.predictor.errors import BadRequest
from pushline.predictor.predictions import Answer, Question
from pushline.predictor.tensors import Claim
from pushline.serving.v1 import serving_pb2 as pb


def question(request: pb.PredictRequest) -> Question:
    """Raises BadRequest where x and inputs are both there."""
    if request.HasField("x") and request.inputs:
        raise BadRequest("x", "must be empty where inputs are given by name")
    claims = [_claim(name, tensor) for name, tensor in request.inputs.items()]
    if request.HasField("x"):
        claims = [_claim(None, request.x)]
    return Question(request.model, "", claims, ())


def response(answer: Answer) -> pb.PredictResponse:
    identity = answer.identity
    outputs = {name: _tensor(array) for name, array in answer.outputs.items()}
    probabilities = answer.probabilities()
    return pb.PredictResponse(
        y=next(iter(outputs.values())),
        labels=answer.labels(),
        probabilities=None if probabilities is None else _tensor(probabilities),
        answered_by=pb.ModelIdentity(
            model=identity.model,
            digest=identity.digest,
            commit=identity.commit,
            deploy_seq=identity.deploy_seq,
            run_id=identity.run_id,
            stale=answer.stale,
        ),
        outputs=outputs,
    )


def _claim(name: str | None, tensor: pb.Tensor) -> Claim:
    return Claim(name, None, tuple(tensor.shape), list(tensor.values))


def _tensor(array: Array) -> pb.Tensor:
    return pb.Tensor(shape=array.shape, values=array.ravel().tolist())
