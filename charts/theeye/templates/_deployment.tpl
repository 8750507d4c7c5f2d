{{/*
The Deployment of one of TheEye's services. What is special about it are four named templates beside the call, in
<component>/deployment.yaml, each a list: theeye.<component>.args, .env, .mounts and .volumes; they may be empty.
dict root, component, and apiServer: whether the pods talk to the API server, and so get a token for it.

Everything that a pod is configured by is in its template, as arguments or environment, so that a change rolls the pods.
What is in Secrets is either read again when it changes (certificates, tokens) or named by whoever owns it (URLs).
*/}}
{{- define "theeye.deployment" -}}
{{- $v := get .root.Values .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "theeye.metadata" . | nindent 2 }}
spec:
  {{- /* Where something else scales, a number here would undo it at every upgrade. */}}
  {{- if not (dig "autoscaling" "enabled" (dig "keda" "enabled" false $v) $v) }}
  replicas: {{ $v.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- /* A new pod is ready before an old one goes. */}}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "theeye.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "theeye.podLabels" (merge (dict "labels" $v.podLabels) .) | nindent 8 }}
      {{- with merge dict $v.podAnnotations (default dict .podAnnotations) .root.Values.commonAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "theeye.componentName" . }}
      automountServiceAccountToken: {{ .apiServer }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ include "theeye.gracePeriod" $v }}
      {{- with include "theeye.imagePullSecrets" .root }}
      {{- . | nindent 6 }}
      {{- end }}
      securityContext:
        {{- include "theeye.podSecurityContext" 65532 | nindent 8 }}
      topologySpreadConstraints:
        {{- include "theeye.topologySpread" . | nindent 8 }}
      {{- with include "theeye.placement" $v | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "theeye.image" . }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args:
            {{- include "theeye.args" . | trim | nindent 12 }}
          {{- with include "theeye.env" . | trim }}
          env:
            {{- . | nindent 12 }}
          {{- end }}
          ports:
            {{- with include "theeye.httpPort" .component }}
            - name: http
              containerPort: {{ . }}
            {{- end }}
            - name: ops
              containerPort: {{ include "theeye.opsPort" .component }}
          {{- include "theeye.probes" .root | nindent 10 }}
          resources:
            {{- toYaml $v.resources | nindent 12 }}
          securityContext:
            {{- include "theeye.securityContext" . | nindent 12 }}
          {{- with include "theeye.mounts" . | trim }}
          volumeMounts:
            {{- . | nindent 12 }}
          {{- end }}
      {{- with include "theeye.volumes" . | trim }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
{{- end }}

{{/* Seconds that a pod may take to end: the drain, 15 for requests in hand, 15 for the batch in hand (the time a statement
may take), and 5 to spare. Takes the component's values. */}}
{{- define "theeye.gracePeriod" -}}
{{ add (default 0 .drainSeconds) 15 15 5 }}
{{- end }}

{{/* Probes that tell the truth. /healthz: the process answers; nothing that a restart would not mend is asked. /readyz:
this replica may get requests; what all replicas lose together (Redis, PostgreSQL) does not fail it, because the door then
answers 503 with Retry-After, and without endpoints it could not answer at all. Takes the root. */}}
{{- define "theeye.probes" -}}
{{- $scheme := .Values.tls.enabled | ternary "HTTPS" "HTTP" -}}
startupProbe:
  httpGet: {path: /healthz, port: ops, scheme: {{ $scheme }}}
  periodSeconds: 1
  failureThreshold: 60
  timeoutSeconds: 3
livenessProbe:
  httpGet: {path: /healthz, port: ops, scheme: {{ $scheme }}}
  periodSeconds: 10
  failureThreshold: 3
  timeoutSeconds: 3
readinessProbe:
  httpGet: {path: /readyz, port: ops, scheme: {{ $scheme }}}
  periodSeconds: 5
  failureThreshold: 2
  timeoutSeconds: 3 # a check inside takes two at most
{{- end }}

{{/* A component's arguments: its own and those of all. dict root, component. */}}
{{- define "theeye.args" -}}
- --log-level={{ .root.Values.logLevel }}
{{- with (get .root.Values .component).drainSeconds }}
- --drain-delay={{ . }}s
{{- end }}
{{- /* The operator's ports are for the inside alone. */}}
{{- if and .root.Values.trustedProxies (include "theeye.httpPort" .component) }}
- --trusted-proxies={{ join "," .root.Values.trustedProxies }}
{{- end }}
{{- if .root.Values.tls.enabled }}
- --tls-cert-file=/etc/theeye/tls/tls.crt
- --tls-private-key-file=/etc/theeye/tls/tls.key
{{- end }}
{{ include (printf "theeye.%s.args" .component) . | trim }}
{{- end }}

{{/* A component's environment: its own, that of all, and what people add, under names that are not taken: an API server
that applies on its side refuses a name that is there twice. dict root, component. */}}
{{- define "theeye.env" -}}
{{- $own := include (printf "theeye.%s.env" .component) . | trim -}}
{{- $added := (get .root.Values .component).env -}}
{{- $names := .root.Values.otlpEndpoint | empty | ternary list (list "OTEL_EXPORTER_OTLP_ENDPOINT") -}}
{{- range fromYamlArray $own }}{{ $names = append $names .name }}{{ end -}}
{{- range $added -}}
{{- if has .name $names -}}
{{- fail (printf "%s.env: %s is set by the chart, or given twice" $.component .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{ $own }}
{{- with .root.Values.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with $added }}
{{ toYaml . }}
{{- end }}
{{- end }}
