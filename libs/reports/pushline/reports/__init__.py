"""The verdict's report: as data, as Markdown, as a page, as a model card, as a bill of materials."""

from pushline.reports.markdown import markdown
from pushline.reports.reading import dump, read
from pushline.reports.report import Report
from pushline.reports.typed import BadReport

__all__ = ["BadReport", "Report", "dump", "markdown", "read"]
