{{/*
What Helm runs at certain moments: each is a command of the operator's program, under rights that exist only for as long as
it runs. They are Helm's hooks, of an order by weight: account and rights first.
*/}}

{{/* A hook's annotations. dict event, weight; logs: when Helm prints what a Job said (optional; from Helm 3.18 on). What
succeeded is deleted, and what failed stays to be looked at, until the next time. */}}
{{- define "theeye.hook" -}}
helm.sh/hook: {{ .event }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- with .logs }}
helm.sh/hook-output-log-policy: {{ . }}
{{- end }}
{{- end }}

{{/* The pod of a hook. dict root, component, args; optional: mounts, volumes. */}}
{{- define "theeye.hookPod" -}}
serviceAccountName: {{ include "theeye.componentName" . }}
automountServiceAccountToken: true
enableServiceLinks: false
restartPolicy: Never
{{- with include "theeye.imagePullSecrets" .root }}
{{ . }}
{{- end }}
securityContext:
  {{- include "theeye.podSecurityContext" 65532 | nindent 2 }}
{{- with include "theeye.placement" .root.Values.operator | trim }}
{{ . }}
{{- end }}
containers:
  - name: {{ .component }}
    image: {{ include "theeye.image" (dict "root" .root "component" "operator") }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
      limits: {memory: 128Mi}
    securityContext:
      {{- include "theeye.securityContext" . | nindent 6 }}
    {{- with .mounts }}
    volumeMounts:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- with .volumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The Job of a hook. dict root, component, event, logs, retries, args; optional: mounts, volumes. */}}
{{- define "theeye.hookJob" -}}
{{- $hook := include "theeye.hook" (dict "event" .event "weight" 0 "logs" .logs) | fromYaml -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "theeye.metadata" (merge (dict "annotations" $hook) .) | nindent 2 }}
spec:
  backoffLimit: {{ .retries }}
  {{- /* Less than the 5 minutes after which Helm gives up and takes the account away: nothing runs on without rights. */}}
  activeDeadlineSeconds: 285
  {{- /* Where it is applied without Helm, nobody else would take it away, and a Job cannot be changed. */}}
  ttlSecondsAfterFinished: 600
  template:
    metadata:
      labels:
        {{- include "theeye.podLabels" . | nindent 8 }}
      {{- with .root.Values.commonAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "theeye.hookPod" . | nindent 6 }}
{{- end }}
