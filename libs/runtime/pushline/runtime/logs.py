"""JSON logs with ECS field names on stdout, a line each. Bind `event.id`, `run_id` and `labels.commit` where they are known."""

import logging
import sys
from typing import TextIO

import ecs_logging
import structlog
from structlog.typing import EventDict


def configure(service: str, stream: TextIO | None = None) -> structlog.BoundLogger:
    """Set up this process's logs, those of libraries included, and give its logger. Dotted names become nested objects."""
    out = sys.stdout if stream is None else stream
    handler = logging.StreamHandler(out)
    handler.setFormatter(ecs_logging.StdlibFormatter(extra={"service.name": service}))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            _as_ecs,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    logger: structlog.BoundLogger = structlog.get_logger().bind(**{"service.name": service})
    return logger


_FORMATTER = ecs_logging.StructlogFormatter(ensure_ascii=False)


def _as_ecs(logger: object, level: str, event: EventDict) -> str:
    return _FORMATTER(logger, level, dict(event))
