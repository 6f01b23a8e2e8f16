{{- define "passerelle.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "passerelle.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "passerelle.name" .) .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name (include "passerelle.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "passerelle.selector" -}}
app.kubernetes.io/name: {{ include "passerelle.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "passerelle.labels" -}}
{{ include "passerelle.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: passerelle
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "passerelle.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "passerelle.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "passerelle.secret" -}}
{{ .Values.secret.existingSecretName | default (printf "%s-token" (include "passerelle.fullname" .)) }}
{{- end }}

{{- define "passerelle.ca" -}}
{{ .Values.plane.existingConfigMap | default (printf "%s-plane" (include "passerelle.fullname" .)) }}
{{- end }}

{{- define "passerelle.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* "yes" when pods have volumes of their own, and so are those of a StatefulSet. */}}
{{- define "passerelle.stateful" -}}
{{- if and .Values.gateway.configuration.backup.enabled (ne .Values.mode "node") }}yes{{ end }}
{{- end }}

{{/* "yes" when the backup is on a claim that is made for each pod. */}}
{{- define "passerelle.claims" -}}
{{- $claim := .Values.gateway.configuration.backup.persistentVolumeClaim }}
{{- if and (include "passerelle.stateful" .) $claim.create (not $claim.existingName) }}yes{{ end }}
{{- end }}
