"""nginx, and nginx with its Lua module for the full job. https://nginx.org"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.peers.peer import Job, Peer, on_path

LUA = """
    lua_shared_dict counters 1m;
    access_by_lua_block {{
      local key = ngx.var.http_ocp_apim_subscription_key
      if key ~= "{key}" then return ngx.exit(401) end
      local count = ngx.shared.counters:incr(key, 1, 0, 60)
      if count > 1000000000 then return ngx.exit(429) end
      ngx.req.set_header("X-Tenant", "contoso")
      ngx.req.set_header("X-Api", "full")
    }}
    header_filter_by_lua_block {{ ngx.header["X-Served-By"] = "nginx" }}
    access_log {directory}/nginx-access.log;
"""


def launch_large(job: Job) -> list[str]:
    """For large bodies: without buffering, what is read at once is one buffer, which is small by default."""
    return launch(job, buffer="64k")


def launch(job: Job, buffer: str = "4k") -> list[str]:
    modules = ""
    if job.full:
        names = ("ndk_http_module", "ngx_http_lua_module")
        modules = "".join(f"load_module /usr/lib/nginx/modules/{name}.so;\n" for name in names)
    extra = LUA.format(key=job.key, directory=job.directory) if job.full else "access_log off;"
    text = f"""{modules}daemon off; worker_processes 1; pid {job.directory}/nginx.pid;
error_log {job.directory}/nginx.err;
events {{ worker_connections 20000; }}
http {{
  client_body_temp_path {job.directory}/nginx-body; proxy_temp_path {job.directory}/nginx-proxy;
  fastcgi_temp_path {job.directory}/nginx-f; uwsgi_temp_path {job.directory}/nginx-u;
  scgi_temp_path {job.directory}/nginx-s;
  keepalive_requests 100000000;
  {extra}
  upstream backend {{ server 127.0.0.1:{job.backend}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{job.port} backlog=1024;
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_buffer_size {buffer}; proxy_buffers 8 {buffer};
      proxy_request_buffering off; client_max_body_size 0;
    }}
  }}
}}
"""
    if job.full:
        text = text.replace("lua_shared_dict", "lua_package_path '/usr/share/lua/5.1/?.lua;;';\n    lua_shared_dict")
    return [on_path("nginx")() or "nginx", "-c", str(job.write(f"nginx-{job.full}.conf", text)), "-e", "stderr"]


peer = Peer(
    "nginx",
    on_path("nginx"),
    "apt-get install nginx libnginx-mod-http-lua",
    launch,
    "with Lua; no token, no trace, no spans, no metrics",
)
large = replace(peer, launch=launch_large)
