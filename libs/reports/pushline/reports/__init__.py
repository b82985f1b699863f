"""The verdict's report: as data, as Markdown, as a page, as a model card, as a bill of materials."""

from pushline.reports.markdown import markdown
from pushline.reports.reading import BadReport, dump, read
from pushline.reports.report import Report

__all__ = ["BadReport", "Report", "dump", "markdown", "read"]
