{{/*
What all pods have in common, hook Jobs, Redis and PostgreSQL included: the "restricted" level of the pod security
standards, whatever the namespace enforces.
*/}}

{{/* The pod's security context. Takes the user's id: 65532 for our own images, 999 for Redis and PostgreSQL, whose volumes
are made theirs by fsGroup. */}}
{{- define "theeye.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The security context of every container. Takes nothing. */}}
{{- define "theeye.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Secrets to pull images with. Takes the root. */}}
{{- define "theeye.imagePullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
{{- end }}

{{/* Where pods may run: nodeSelector, tolerations, affinity, priorityClassName, as far as they are set. Takes the
component's values. */}}
{{- define "theeye.placement" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" -}}
{{- with get $ $key }}
{{ dict $key . | toYaml }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Pods of a component on different nodes where there are several; counted by revision, for those of the one before go.
dict root, component. */}}
{{- define "theeye.topologySpread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "theeye.selectorLabels" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
