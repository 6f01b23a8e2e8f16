"""Dashboards, the Azure workbook and alert rules, and the scripts that write those that are written by a script."""
