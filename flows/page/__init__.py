"""The report: data/report.html, one page that shows what every stage made."""
