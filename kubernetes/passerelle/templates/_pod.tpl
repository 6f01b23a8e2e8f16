{{/* What every pod of ours has; `.root`, `.component`, and what a Deployment and a DaemonSet do not share. */}}
{{- define "passerelle.pod" -}}
automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
serviceAccountName: {{ include "passerelle.serviceAccount" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ toYaml .Values.podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ .Values.gateway.deployment.terminationGracePeriodSeconds }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.gateway.deployment.dns.hostAliases }}
hostAliases: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "passerelle.pod.annotations" -}}
checksum/settings: {{ printf "%s%s" (include "passerelle.settings.agent" .) (include "passerelle.settings.gateway" .) | printf "%s%s" (toJson .Values.gateway.configuration.additional) | sha256sum | trunc 16 | quote }}
{{- if .Values.metrics.prometheus.enabled }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.metrics.prometheus.port | quote }}
{{- end }}
{{- if .Values.dapr.enabled }}
dapr.io/enabled: "true"
dapr.io/app-id: {{ .Values.dapr.app.id | quote }}
dapr.io/config: {{ .Values.dapr.config | quote }}
dapr.io/log-as-json: {{ .Values.dapr.logging.useJsonOutput | quote }}
dapr.io/log-level: {{ .Values.dapr.logging.level | quote }}
{{- end }}
{{- with .Values.gateway.deployment.annotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "passerelle.workload.template" -}}
metadata:
  labels: {{ include "passerelle.labels" . | nindent 4 }}
    app.kubernetes.io/component: gateway
  annotations: {{ include "passerelle.pod.annotations" . | nindent 4 }}
spec:
  {{- include "passerelle.pod" . | nindent 2 }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.highAvailability.enabled }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: {{ .Values.highAvailability.podTopologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels: {{ include "passerelle.selector" . | nindent 10 }}
          app.kubernetes.io/component: gateway
  {{- end }}
  {{- if ne .Values.mode "node" }}
  initContainers:
    - {{ include "passerelle.agent" . | nindent 6 | trim }}
    {{- if eq .Values.mode "sidecar" }}
    - {{ include "passerelle.gateway" . | nindent 6 | trim }}
    {{- end }}
  {{- end }}
  containers:
    {{- if eq .Values.mode "sidecar" }}
    {{- toYaml .Values.workload.containers | nindent 4 }}
    {{- else }}
    - {{ include "passerelle.gateway" . | nindent 6 | trim }}
    {{- end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    {{- if ne .Values.mode "node" }}
    - {name: socket, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
    {{- include "passerelle.volumes.agent" . | nindent 4 }}
    {{- else }}
    - {name: sync, secret: {secretName: {{ .Values.sync.tls.secretName }}, defaultMode: 0440}}
    {{- end }}
    {{- if not (and (include "passerelle.stateful" .) .Values.telemetry.spool.persistent) }}
    - {name: telemetry, emptyDir: {sizeLimit: {{ .Values.telemetry.spool.size }}}}
    {{- end }}
    {{- with .Values.tls.secretName }}
    - {name: tls, secret: {secretName: {{ . }}, defaultMode: 0440}}
    {{- end }}
    {{- with .Values.limits.memory.hostPath }}
    - {name: limits, hostPath: {path: {{ . }}, type: Directory}}
    {{- end }}
    {{- with .Values.limits.redis.existingSecretName }}
    - {name: redis, secret: {secretName: {{ . }}, defaultMode: 0440}}
    {{- end }}
    {{- if eq .Values.observability.logs.local.type "localsyslog" }}
    - {name: syslog, hostPath: {path: /dev/log, type: Socket}}
    {{- end }}
    {{- if eq .Values.observability.logs.local.type "journal" }}
    - {name: journal, hostPath: {path: /run/systemd/journal/socket, type: Socket}}
    {{- end }}
    {{- with .Values.workload.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "passerelle.volumes.agent" -}}
- {name: token, secret: {secretName: {{ include "passerelle.secret" . }}, defaultMode: 0440}}
{{- if or .Values.plane.ca .Values.plane.existingConfigMap }}
- {name: plane, configMap: {name: {{ include "passerelle.ca" . }}}}
{{- end }}
{{- with .Values.backupKey.existingSecretName }}
- {name: backup-key, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- with .Values.gateway.configuration.backup }}
{{- if and .enabled .persistentVolumeClaim.existingName }}
- {name: backup, persistentVolumeClaim: {claimName: {{ .persistentVolumeClaim.existingName }}}}
{{- else if and .enabled (eq $.Values.mode "node") }}
{{- if $.Values.sync.hostPath }}
- {name: backup, hostPath: {path: {{ $.Values.sync.hostPath }}, type: Directory}}
{{- else }}
- {name: backup, emptyDir: {sizeLimit: {{ .persistentVolumeClaim.size }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
