{{/*
Certificates and certificate authorities, as files. Secrets are mounted as a whole and not by subPath, which the kubelet
would never bring up to date.
*/}}

{{/* A component's mounts: its own and those of all. dict root, component. */}}
{{- define "theeye.mounts" -}}
{{- if .root.Values.tls.enabled }}
- name: tls
  mountPath: /etc/theeye/tls
  readOnly: true
{{- end }}
{{ include (printf "theeye.%s.mounts" .component) . | trim }}
{{- end }}

{{/* A component's volumes: its own and those of all. dict root, component. */}}
{{- define "theeye.volumes" -}}
{{- if .root.Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "theeye.tlsSecretName" . }}
    defaultMode: 0440
{{- end }}
{{ include (printf "theeye.%s.volumes" .component) . | trim }}
{{- end }}

{{/* The flags by which a service judges Redis and trusts its certificate; and the authority's mount and volume. dict root. */}}
{{- define "theeye.redisArgs" -}}
{{- $existing := .root.Values.redis.existing -}}
{{- if $existing.secretName -}}
- --redis-durability={{ $existing.durability }}
{{- if $existing.caSecretName }}
- --redis-ca-file=/etc/theeye/ca/redis/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "theeye.redisCAMounts" -}}
{{- include "theeye.caMount" (dict "name" "redis" "existing" .root.Values.redis.existing) }}
{{- end }}

{{- define "theeye.redisCAVolumes" -}}
{{- include "theeye.caVolume" (dict "name" "redis" "existing" .root.Values.redis.existing) }}
{{- end }}

{{/* The same for PostgreSQL, whose authority is in the environment: theeye.postgresEnv. dict root. */}}
{{- define "theeye.postgresCAMounts" -}}
{{- include "theeye.caMount" (dict "name" "postgres" "existing" .root.Values.postgres.existing) }}
{{- end }}

{{- define "theeye.postgresCAVolumes" -}}
{{- include "theeye.caVolume" (dict "name" "postgres" "existing" .root.Values.postgres.existing) }}
{{- end }}

{{/* The authority of an existing server. dict name, existing. */}}
{{- define "theeye.caMount" -}}
{{- if and .existing.secretName .existing.caSecretName }}
- name: {{ .name }}-ca
  mountPath: /etc/theeye/ca/{{ .name }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "theeye.caVolume" -}}
{{- if and .existing.secretName .existing.caSecretName }}
- name: {{ .name }}-ca
  secret:
    secretName: {{ .existing.caSecretName }}
    defaultMode: 0440
    items:
      - key: {{ .existing.caKey }}
        path: ca.crt
{{- end }}
{{- end }}

{{/* Of a component's certificate Secret the authority alone, for who is its client. dict root, component. */}}
{{- define "theeye.componentCAVolume" -}}
- name: {{ .component }}-ca
  secret:
    secretName: {{ include "theeye.tlsSecretName" . }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
