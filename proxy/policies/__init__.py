"""The index: every policy of the gateway, one file each. Importing it fills `proxy.pipeline.registry`.

`<base/>` alone is no policy of its own: `proxy.pipeline.link` replaces it.
"""

from __future__ import annotations

from proxy.policies import (
    authentication_certificate,
    authentication_managed_identity,
    check_header,
    choose,
    cors,
    forward_request,
    include_fragment,
    ip_filter,
    mock_response,
    rate_limit,
    rate_limit_by_key,
    retry,
    return_response,
    rewrite_uri,
    set_backend_service,
    set_body,
    set_header,
    set_method,
    set_query_parameter,
    set_status,
    set_variable,
    trace,
    validate_azure_ad_token,
    validate_client_certificate,
    validate_jwt,
)

INDEX = (
    authentication_certificate,
    authentication_managed_identity,
    check_header,
    choose,
    cors,
    forward_request,
    include_fragment,
    ip_filter,
    mock_response,
    rate_limit,
    rate_limit_by_key,
    retry,
    return_response,
    rewrite_uri,
    set_backend_service,
    set_body,
    set_header,
    set_method,
    set_query_parameter,
    set_status,
    set_variable,
    trace,
    validate_azure_ad_token,
    validate_client_certificate,
    validate_jwt,
)
