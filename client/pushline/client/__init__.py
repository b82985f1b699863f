"""A small client for the predictor.

from pushline.client import Client

with Client("localhost:8001") as client:
    answer = client.predict([[0.0, 1.0, 2.0, 3.0]])
    print(answer.y, answer.labels, answer.commit)
"""

from pushline.client.answers import Answer
from pushline.client.client import Client
from pushline.client.errors import (
    BadRequest,
    DeadlineExceeded,
    ModelNotFound,
    Overloaded,
    PredictionFailed,
    Unavailable,
)

__all__ = [
    "Answer",
    "BadRequest",
    "Client",
    "DeadlineExceeded",
    "ModelNotFound",
    "Overloaded",
    "PredictionFailed",
    "Unavailable",
]
