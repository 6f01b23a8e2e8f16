{{/* The settings of docs/settings.md that all processes read, as `name: value` pairs of a ConfigMap. */}}
{{- define "passerelle.settings.common" -}}
{{- with .Values.gateway.name }}
gateway.name: {{ . | quote }}
{{- end }}
telemetry.logs.std: {{ .Values.observability.logs.std.format | quote }}
telemetry.logs.std.level: {{ .Values.observability.logs.std.level | quote }}
telemetry.logs.std.color: {{ .Values.observability.logs.std.useColor | quote }}
{{- with .Values.gateway.deployment.network.proxy.http }}
HTTP_PROXY: {{ . | quote }}
{{- end }}
{{- with .Values.gateway.deployment.network.proxy.https }}
HTTPS_PROXY: {{ . | quote }}
{{- end }}
{{- with .Values.gateway.deployment.network.proxy.bypass }}
NO_PROXY: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "passerelle.settings.agent" -}}
{{ include "passerelle.settings.common" . | trim }}
config.service.endpoint: {{ .Values.gateway.configuration.uri | quote }}
config.service.auth: key
config.service.auth.key.file: /etc/passerelle/token/gateway-key
{{- if or .Values.plane.ca .Values.plane.existingConfigMap }}
config.service.endpoint.ca: /etc/passerelle/plane/ca.pem
{{- end }}
{{- if .Values.gateway.configuration.backup.enabled }}
config.backup.path: /apim/config/backup
{{- else }}
config.backup.path: none
{{- end }}
{{- if .Values.backupKey.existingSecretName }}
config.backup.key.file: /etc/passerelle/backup/backup.key
{{- end }}
{{- if eq .Values.mode "node" }}
config.sync.listen: 0.0.0.0:4310
config.sync.tls.ca: /etc/passerelle/sync/ca.crt
config.sync.tls.certificate: /etc/passerelle/sync/tls.crt
config.sync.tls.key: /etc/passerelle/sync/tls.key
{{- else }}
config.sync.listen: unix:/run/passerelle/sync/agent.sock
{{- end }}
health.http.host: 0.0.0.0
health.http.port: "8090"
{{- end }}

{{- define "passerelle.settings.gateway" -}}
{{- $logs := .Values.observability.logs.local }}
{{ include "passerelle.settings.common" . | trim }}
{{- if eq .Values.mode "node" }}
config.sync.endpoint: {{ printf "%s-agent.%s.svc:4310" (include "passerelle.fullname" .) .Release.Namespace | quote }}
config.sync.tls.ca: /etc/passerelle/sync/ca.crt
config.sync.tls.certificate: /etc/passerelle/sync/tls.crt
config.sync.tls.key: /etc/passerelle/sync/tls.key
{{- else }}
config.sync.endpoint: unix:/run/passerelle/sync/agent.sock
{{- end }}
net.server.http.host: 0.0.0.0
net.server.http.port: "8080"
net.server.http.forwarded.proto.enabled: "true"
net.server.drain.timeout: {{ max 1 (sub (int .Values.gateway.deployment.terminationGracePeriodSeconds) 15) | quote }}
{{- if .Values.tls.secretName }}
net.server.https.port: "8081"
net.server.https.certificate.file: /etc/passerelle/tls/tls.crt
net.server.https.key.file: /etc/passerelle/tls/tls.key
{{- end }}
{{- with .Values.security.tls.server.ciphers.allowedSuites }}
net.server.tls.ciphers.allowed-suites: {{ . | quote }}
{{- end }}
{{- with .Values.security.tls.client.ciphers.allowedSuites }}
net.client.tls.ciphers.allowed-suites: {{ . | quote }}
{{- end }}
{{- if .Values.limits.memory.hostPath }}
policy.limits.memory.path: /run/limits/{{ include "passerelle.fullname" . }}.{{ .Release.Namespace }}
{{- end }}
{{- if gt (int .Values.workers) 1 }}
proxy.workers: {{ .Values.workers | quote }}
{{- end }}
{{- if .Values.metrics.prometheus.enabled }}
telemetry.metrics.local.prometheus.endpoint: {{ printf "0.0.0.0:%d" (int .Values.metrics.prometheus.port) | quote }}
{{- end }}
telemetry.metrics.cloud: {{ .Values.observability.azureMonitor.metrics.enabled | quote }}
{{- with .Values.observability.opentelemetry }}
{{- if .enabled }}
observability.opentelemetry.enabled: "true"
observability.opentelemetry.collector.uri: {{ .collector.uri | quote }}
observability.opentelemetry.system-metrics.enabled: {{ .systemMetrics.enabled | quote }}
{{- with .histogram.buckets }}
observability.opentelemetry.histogram.buckets: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.observability.statsD }}
{{- if .enabled }}
telemetry.metrics.local: statsd
telemetry.metrics.local.statsd.endpoint: {{ .endpoint | quote }}
telemetry.metrics.local.statsd.sampling: {{ .sampling | quote }}
telemetry.metrics.local.statsd.tag-format: {{ .tagFormat | quote }}
{{- end }}
{{- end }}
telemetry.logs.local: {{ $logs.type | quote }}
{{- range $name := list "localsyslog" "rfc5424" "journal" "json" }}
{{- range $key, $value := index $logs $name }}
{{- if $value }}
telemetry.logs.local.{{ $name }}.{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
telemetry.spool.path: /apim/telemetry
{{- end }}

{{/* The ConfigMap's data: ours, and over them what gateway.configuration.additional says. */}}
{{- define "passerelle.data" -}}
{{- $data := fromYaml (include .template .root) }}
{{- range $name, $value := .root.Values.gateway.configuration.additional }}
{{- $_ := set $data $name (toString $value) }}
{{- end }}
{{- toYaml $data }}
{{- end }}
