"""Ruby, with its own net/http. In double quotes a # may begin an interpolation, so it is escaped."""

from __future__ import annotations

from portal.samples.call import Call
from portal.samples.quoting import quoted


def sample(call: Call) -> str:
    body = "false" if call.body is None else "true"
    answered = "false" if call.method == "HEAD" else "true"
    lines = [
        'require "net/http"',
        'require "uri"',
        "",
        f"uri = URI({_quoted(call.url)})",
        f"request = Net::HTTPGenericRequest.new({_quoted(call.method)}, {body}, {answered}, uri)",
        *(f"request[{_quoted(name)}] = {_quoted(value)}" for name, value in call.headers),
        *([f"request.body = {_quoted(call.body)}"] if call.body is not None else []),
        'response = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https") do |http|',
        "  http.request(request)",
        "end",
        'puts "#{response.code} #{response.body}"',
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """JSON's surrogate pairs are no Ruby, so characters beyond the first plane stand as they are."""
    pieces = (each if ord(each) > 0xFFFF else quoted(each, also="#")[1:-1] for each in text)
    return '"' + "".join(pieces) + '"'
