"""Results as one self-contained HTML page: what `--html FILE` writes."""

from raddle.report.page.html import to_html as to_html
from raddle.report.page.model import Figure as Figure
from raddle.report.page.model import Page as Page
