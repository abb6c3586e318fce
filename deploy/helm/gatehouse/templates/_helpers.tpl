{{- define "gatehouse.name" -}}
{{- if contains "gatehouse" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-gatehouse" (.Release.Name | trunc 40 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "gatehouse.selector" -}}
app.kubernetes.io/name: gatehouse
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gatehouse.labels" -}}
{{ include "gatehouse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "gatehouse.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* The pod around its containers, in every workload. */ -}}
{{- define "gatehouse.pod" -}}
automountServiceAccountToken: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  - name: data
    emptyDir: {}
  - name: secrets
    secret:
      secretName: {{ .Values.existingSecret }}
      defaultMode: 0440
{{- end }}

{{- /* What is common to the containers: the image, its privileges and its settings. */ -}}
{{- define "gatehouse.container" -}}
image: {{ include "gatehouse.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: data
    mountPath: /var/lib/gatehouse
  - name: secrets
    mountPath: /run/secrets/gatehouse
    readOnly: true
env:
  - name: SECRET_KEY_FILE
    value: /run/secrets/gatehouse/SECRET_KEY
  - name: FERNET_KEYS_FILE
    value: /run/secrets/gatehouse/FERNET_KEYS
  - name: DATABASE_URL_FILE
    value: /run/secrets/gatehouse/DATABASE_URL
  {{- if .Values.metrics.enabled }}
  - name: METRICS_TOKEN_FILE
    value: /run/secrets/gatehouse/METRICS_TOKEN
  {{- end }}
  {{- if .Values.metrics.serviceMonitor }}
  - name: POD_IP # by which Prometheus asks for /metrics
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- end }}
  - name: ALLOWED_HOSTS
    value: {{ ternary (append .Values.hosts "$(POD_IP)") .Values.hosts .Values.metrics.serviceMonitor | join "," | quote }}
  - name: FORWARDED_ALLOW_IPS
    value: {{ .Values.trustedProxies | quote }}
  - name: WEB_CONCURRENCY
    value: {{ .Values.workers | quote }}
  - name: DRAIN_SECONDS
    value: {{ .Values.drainSeconds | quote }}
  - name: UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN
    value: {{ .Values.streamSeconds | quote }}
  {{- range $name, $value := .Values.settings }}
  - name: {{ $name }}
    value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
