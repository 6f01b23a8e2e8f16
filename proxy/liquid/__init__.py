"""Liquid templates of `set-body`: compiled when configuration is applied, rendered within limits.

https://learn.microsoft.com/azure/api-management/set-body-policy#using-liquid-templates-with-set-body
"""

from proxy.liquid.template import LiquidError, Template, compile_template

__all__ = ["LiquidError", "Template", "compile_template"]
