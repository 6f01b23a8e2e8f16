{{- define "passerelle.agent" -}}
name: agent
image: {{ include "passerelle.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if ne .Values.mode "node" }}
restartPolicy: Always
{{- end }}
command: [python, -m, syncagent]
envFrom:
  - configMapRef: {name: {{ include "passerelle.fullname" . }}-agent}
env:
  - name: instance.id
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
ports:
  - {name: health, containerPort: 8090}
  {{- if eq .Values.mode "node" }}
  - {name: sync, containerPort: 4310}
  {{- end }}
startupProbe:
  httpGet: {path: /live, port: health}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /live, port: health}
  periodSeconds: 10
  timeoutSeconds: 3
{{- if eq .Values.mode "node" }}
readinessProbe:
  httpGet: {path: /ready, port: health}
  periodSeconds: 5
  timeoutSeconds: 3
{{- end }}
resources: {{ toYaml .Values.agent.resources | nindent 2 }}
securityContext: {{ toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: token, mountPath: /etc/passerelle/token, readOnly: true}
  {{- if ne .Values.mode "node" }}
  - {name: socket, mountPath: /run/passerelle}
  {{- else }}
  - {name: sync, mountPath: /etc/passerelle/sync, readOnly: true}
  {{- end }}
  {{- if .Values.gateway.configuration.backup.enabled }}
  - name: backup
    mountPath: /apim/config
    {{- if .Values.gateway.configuration.backup.persistentVolumeClaim.existingName }}
    subPathExpr: $(instance.id)
    {{- end }}
  {{- end }}
  {{- if or .Values.plane.ca .Values.plane.existingConfigMap }}
  - {name: plane, mountPath: /etc/passerelle/plane, readOnly: true}
  {{- end }}
  {{- if .Values.backupKey.existingSecretName }}
  - {name: backup-key, mountPath: /etc/passerelle/backup, readOnly: true}
  {{- end }}
{{- end }}

{{- define "passerelle.gateway" -}}
name: gateway
image: {{ include "passerelle.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if eq .Values.mode "sidecar" }}
restartPolicy: Always
{{- end }}
command: [python, -m, proxy]
envFrom:
  - configMapRef: {name: {{ include "passerelle.fullname" . }}-gateway}
env:
  - name: instance.id
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  {{- with .Values.limits.redis.existingSecretName }}
  - name: policy.limits.redis.connection.file
    value: /etc/passerelle/redis/connection
  {{- end }}
ports:
  - {name: http, containerPort: 8080}
  {{- if .Values.tls.secretName }}
  - {name: https, containerPort: 8081}
  {{- end }}
  {{- if .Values.metrics.prometheus.enabled }}
  - {name: metrics, containerPort: {{ .Values.metrics.prometheus.port }}}
  {{- end }}
startupProbe: {{ toYaml .Values.probes.startup | nindent 2 }}
livenessProbe: {{ toYaml .Values.probes.liveness | nindent 2 }}
readinessProbe: {{ toYaml .Values.probes.readiness | nindent 2 }}
resources: {{ toYaml .Values.resources | nindent 2 }}
securityContext: {{ toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: telemetry, mountPath: /apim/telemetry}
  {{- if ne .Values.mode "node" }}
  - {name: socket, mountPath: /run/passerelle}
  {{- else }}
  - {name: sync, mountPath: /etc/passerelle/sync, readOnly: true}
  {{- end }}
  {{- if .Values.tls.secretName }}
  - {name: tls, mountPath: /etc/passerelle/tls, readOnly: true}
  {{- end }}
  {{- if .Values.limits.memory.hostPath }}
  - {name: limits, mountPath: /run/limits}
  {{- end }}
  {{- if .Values.limits.redis.existingSecretName }}
  - {name: redis, mountPath: /etc/passerelle/redis, readOnly: true}
  {{- end }}
  {{- if eq .Values.observability.logs.local.type "localsyslog" }}
  - {name: syslog, mountPath: /dev/log}
  {{- end }}
  {{- if eq .Values.observability.logs.local.type "journal" }}
  - {name: journal, mountPath: /run/systemd/journal/socket}
  {{- end }}
{{- end }}
