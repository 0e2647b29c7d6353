"""What happened, for people and machines: cases → JSON, JUnit XML, CTRF, Markdown, a page. Pure functions of values."""

from ernie_deploy.report.ctrf import as_ctrf
from ernie_deploy.report.document import as_json
from ernie_deploy.report.fitting import loggable
from ernie_deploy.report.junit import as_junit
from ernie_deploy.report.markdown import as_markdown
from ernie_deploy.report.page import as_html
from ernie_deploy.report.values import VERDICTS, Box, Case, Exchange, Picture, Report, Verdict, summary

__all__ = [
    "VERDICTS",
    "Box",
    "Case",
    "Exchange",
    "Picture",
    "Report",
    "Verdict",
    "as_ctrf",
    "as_html",
    "as_json",
    "as_junit",
    "as_markdown",
    "loggable",
    "summary",
]
