"""A client for the predictor: arrays in, arrays and who gave them out. It needs neither TensorFlow nor Kafka.

    from pushline.client import Client

    with Client("localhost:8001") as client:
        answer = client.predict([[5.1, 3.5, 1.4, 0.2]], model="iris")
        print(answer.y, answer.label, answer.commit, answer.deploy_seq)

For asyncio:

    from pushline.client import AsyncClient

    async with AsyncClient("localhost:8001") as client:
        answer = await client.predict([[5.1, 3.5, 1.4, 0.2]], model="iris")

Both speak the Open Inference Protocol with raw bytes, so numbers of every dtype arrive as they are. Every call has a deadline. All
errors are in one tree, PredictionFailed.
"""

from pushline.client.aio import AsyncClient
from pushline.client.answers import Answer, Model, Tensor
from pushline.client.client import Client
from pushline.client.connection import Options, Tls
from pushline.client.errors import (
    BadRequest,
    DeadlineExceeded,
    ModelNotFound,
    Overloaded,
    PredictionFailed,
    Unauthenticated,
    Unavailable,
)

__all__ = [
    "Answer",
    "AsyncClient",
    "BadRequest",
    "Client",
    "DeadlineExceeded",
    "Model",
    "ModelNotFound",
    "Options",
    "Overloaded",
    "PredictionFailed",
    "Tensor",
    "Tls",
    "Unauthenticated",
    "Unavailable",
]
