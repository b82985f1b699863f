"""What a predictor that is a process of its own is told."""

from pathlib import Path

import pytest

from tests.servers import StoreAddress


@pytest.fixture
def environ(
    tmp_path: Path, broker: str, topic_prefix: str, kafka_options: dict[str, str], store_settings: StoreAddress
) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PUSHLINE_KAFKA": broker,
        "PUSHLINE_TOPIC_PREFIX": topic_prefix,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={text}" for name, text in kafka_options.items()),
        "PUSHLINE_S3_ENDPOINT": store_settings.endpoint,
        "PUSHLINE_S3_BUCKET": store_settings.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store_settings.access_key,
        "PUSHLINE_S3_SECRET_KEY": store_settings.secret_key,
        "PUSHLINE_CACHE": str(tmp_path / "cache"),
        "PUSHLINE_GRPC_PORT": "0",
        "PUSHLINE_REST_PORT": "0",
        "PUSHLINE_METRICS_PORT": "0",
        "PUSHLINE_PORTS_FILE": str(tmp_path / "ports.json"),
        "PUSHLINE_DRAIN": "0s",
    }
