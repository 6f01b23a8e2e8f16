{{/* What cannot be is refused with the reason and what to do; nothing is skipped silently. */}}
{{- define "passerelle.checked" -}}
{{- $v := .Values }}
{{- if not (has $v.mode (list "gateway" "sidecar" "node")) }}{{ fail (printf "mode is %q: it must be gateway, sidecar or node." $v.mode) }}{{ end }}
{{- if not $v.gateway.configuration.uri }}{{ fail "gateway.configuration.uri is required: https://HOST:PORT/configuration/SERVICE of the management plane." }}{{ end }}
{{- if ne $v.gateway.auth.type "GatewayToken" }}{{ fail (printf "gateway.auth.type %s is not supported: give a token (GatewayToken), made by `passerelle token` or by Azure's generateToken." $v.gateway.auth.type) }}{{ end }}
{{- if and (not $v.secret.existingSecretName) (not $v.gateway.auth.key) }}{{ fail "gateway.auth.key is required (passerelle token --gateway NAME --out FILE), or secret.existingSecretName with the key gateway-key." }}{{ end }}
{{- if and (not $v.secret.createSecret) (not $v.secret.existingSecretName) }}{{ fail "secret.existingSecretName is required with secret.createSecret: false." }}{{ end }}
{{- if and $v.plane.ca $v.plane.existingConfigMap }}{{ fail "plane.ca and plane.existingConfigMap exclude each other." }}{{ end }}
{{- if and (eq $v.mode "sidecar") (not $v.workload.containers) }}{{ fail "workload.containers is required with mode sidecar: the containers that the gateway stands before." }}{{ end }}
{{- if and (ne $v.mode "sidecar") $v.workload.containers }}{{ fail "workload.containers is for mode sidecar." }}{{ end }}
{{- if and (eq $v.mode "node") (not $v.sync.tls.secretName) }}{{ fail "sync.tls.secretName is required with mode node: a Secret with ca.crt, tls.crt and tls.key, by which agent and gateways know each other." }}{{ end }}
{{- if and (ne $v.mode "node") (or $v.sync.tls.secretName $v.sync.hostPath) }}{{ fail "sync.* is for mode node: elsewhere agent and gateway share a socket." }}{{ end }}
{{- if and (ne $v.mode "node") $v.limits.memory.hostPath }}{{ fail "limits.memory.hostPath is for mode node: elsewhere a pod has one gateway, and its workers count together by themselves." }}{{ end }}
{{- $claim := $v.gateway.configuration.backup.persistentVolumeClaim }}
{{- if and (include "passerelle.stateful" .) (not $claim.create) (not $claim.existingName) }}{{ fail "gateway.configuration.backup.persistentVolumeClaim.existingName is required with create: false." }}{{ end }}
{{- if and $claim.existingName (eq $v.mode "node") }}{{ fail "gateway.configuration.backup.persistentVolumeClaim.existingName is not for mode node: give sync.hostPath." }}{{ end }}
{{- if and $v.observability.opentelemetry.enabled (not $v.observability.opentelemetry.collector.uri) }}{{ fail "observability.opentelemetry.collector.uri is required with observability.opentelemetry.enabled, such as http://collector:4317." }}{{ end }}
{{- if and $v.observability.statsD.enabled (not $v.observability.statsD.endpoint) }}{{ fail "observability.statsD.endpoint is required with observability.statsD.enabled, such as statsd:8125." }}{{ end }}
{{- if and $v.dapr.enabled (not $v.dapr.app.id) }}{{ fail "dapr.app.id is required with dapr.enabled." }}{{ end }}
{{- if ($v.service.ports).instance }}{{ fail "service.ports.instance is not used: pods share limits through limits.redis.existingSecretName, and those of one agent by themselves. Remove it." }}{{ end }}
{{- if ($v.ingress).controller }}{{ if $v.ingress.controller.enabled }}{{ fail "ingress.controller is not supported: routes are the APIs of the management plane. Remove it." }}{{ end }}{{ end }}
{{- if and $v.autoscaling.enabled (lt (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas)) }}{{ fail "autoscaling.maxReplicas is less than autoscaling.minReplicas." }}{{ end }}
{{- end }}
