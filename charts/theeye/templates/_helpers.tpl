{{/*
Words that every template uses. Most take a dict: root is the root context ($), component one of ingest, auth,
persistence, operator, redis, postgres. None asks the cluster and none is random: two renders are the same, byte for byte.
*/}}

{{/* What all names begin with: at most 40 characters, so that what is appended fits into a label of 63. What is cut off
counts by its hash, or releases whose names begin alike would take each other's passwords. */}}
{{- define "theeye.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $full = default $full .Values.fullnameOverride -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $full) }}{{ fail (printf "no Service can be named %s: set fullnameOverride" $full) }}{{ end -}}
{{- gt (len $full) 40 | ternary (printf "%s-%s" (trunc 33 $full | trimSuffix "-") (sha256sum $full | trunc 6)) $full -}}
{{- end }}

{{/* Name of what belongs to a component: <fullname>-<component>. dict root, component. */}}
{{- define "theeye.componentName" -}}
{{ include "theeye.fullname" .root }}-{{ .component }}
{{- end }}

{{/* Name of what belongs to no namespace: with the release's one in it, for the same release may be in another, too.
dict root, component. */}}
{{- define "theeye.clusterName" -}}
{{ .root.Release.Namespace }}:{{ include "theeye.componentName" . }}
{{- end }}

{{/* What never changes over a release's life, for immutable selectors. dict root, component. */}}
{{- define "theeye.selectorLabels" -}}
app.kubernetes.io/name: theeye
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of pods: without versions, which would restart Redis and PostgreSQL at every upgrade of TheEye.
dict root, component, and labels: more of them (optional). What selectors need cannot be overridden. */}}
{{- define "theeye.podLabels" -}}
{{- $own := include "theeye.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "theeye" -}}
{{- merge $own (default dict .labels) .root.Values.commonLabels | toYaml -}}
{{- end }}

{{/* Labels of resources. dict root, component, and labels: more of them (optional). */}}
{{- define "theeye.labels" -}}
{{- $own := include "theeye.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "theeye" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- merge $own (default dict .labels) .root.Values.commonLabels | toYaml -}}
{{- end }}

{{/* The metadata of a resource in the release's namespace. dict root, component; optional: name (default
<fullname>-<component>), labels, annotations. */}}
{{- define "theeye.metadata" -}}
name: {{ .name | default (include "theeye.componentName" .) }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "theeye.labels" . | nindent 2 }}
{{- with merge dict (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The same for what belongs to no namespace. dict root, component; optional: name, labels, annotations. */}}
{{- define "theeye.clusterMetadata" -}}
name: {{ .name | default (include "theeye.clusterName" .) }}
labels:
  {{- include "theeye.labels" . | nindent 2 }}
{{- with merge dict (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Image of one of TheEye's programs. dict root, component. */}}
{{- define "theeye.image" -}}
{{- $image := .root.Values.image -}}
{{ $image.registry }}/{{ $image.repository }}/{{ .component }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* Image of Redis or PostgreSQL: takes .Values.redis.image or .Values.postgres.image. */}}
{{- define "theeye.dataImage" -}}
{{ .registry }}/{{ .repository }}:{{ .tag }}
{{- end }}

{{/* Port of a component's public side inside the pod, and of its operations side. Take the component's name. */}}
{{- define "theeye.httpPort" -}}
{{ get (dict "ingest" 8080 "auth" 8081 "persistence" 8082) . }}
{{- end }}

{{- define "theeye.opsPort" -}}
{{ get (dict "ingest" 9080 "auth" 9081 "persistence" 9082 "operator" 9083) . }}
{{- end }}

{{/* Secret with a component's certificate, mounted at /etc/theeye/tls. dict root, component. */}}
{{- define "theeye.tlsSecretName" -}}
{{ get .root.Values.tls.secretNames .component | default (printf "%s-tls" (include "theeye.componentName" .)) }}
{{- end }}

{{/* Name of the Secret that the passwords Job makes: for the built-in Redis and PostgreSQL, and for what auth encrypts with.
Takes the root. */}}
{{- define "theeye.passwordsName" -}}
{{ include "theeye.fullname" . }}-passwords
{{- end }}

{{/* Which keys that Job makes, as its arguments; "" when others have all of them. Takes the root. */}}
{{- define "theeye.passwordsArgs" -}}
{{- $builtin := not (and .Values.redis.existing.secretName .Values.postgres.existing.secretName) -}}
{{- if or $builtin (not .Values.auth.signingKey.existingSecretName) -}}
{{- $args := list "passwords" (print "--secret=" (include "theeye.passwordsName" .)) (print "--namespace=" .Release.Namespace) -}}
{{- if not $builtin }}{{ $args = append $args "--keys=signing-key-encryption" }}{{ end -}}
{{- toYaml $args -}}
{{- end -}}
{{- end }}

{{/* An environment variable from that Secret. dict root, name, key. */}}
{{- define "theeye.passwordEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "theeye.passwordsName" .root }}
      key: {{ .key }}
{{- end }}

{{/* Base URL of a component's Service inside the cluster. dict root, component. */}}
{{- define "theeye.serviceURL" -}}
{{ .root.Values.tls.enabled | ternary "https" "http" }}://{{ include "theeye.componentName" . }}.{{ .root.Release.Namespace }}.svc:
{{- get (get .root.Values .component).service "port" }}
{{- end }}

{{/* URL where applications post events, as their Secrets say it: the one that can be reached from farthest. Takes the root. */}}
{{- define "theeye.eventsURL" -}}
{{- $url := include "theeye.ownEventsURL" . -}}
{{- if contains "*" $url -}}{{- fail (printf "%s is no URL to post to: set operator.eventsURL" $url) -}}{{- end -}}
{{ $url }}
{{- end }}

{{- define "theeye.ownEventsURL" -}}
{{- $v := .Values -}}
{{- if $v.operator.eventsURL -}}
{{ $v.operator.eventsURL }}
{{- else if and $v.gateway.enabled $v.gateway.hostnames -}}
{{ $v.gateway.scheme }}://{{ first $v.gateway.hostnames }}/v1/events
{{- else if $v.ingress.enabled -}}
{{ $v.ingress.tlsSecretName | empty | ternary "http" "https" }}://{{ $v.ingress.host }}/v1/events
{{- else -}}
{{ include "theeye.serviceURL" (dict "root" . "component" "ingest") }}/v1/events
{{- end -}}
{{- end }}

{{/* URL of auth's public port as clients reach it: the issuer of access tokens. What routes events from outside routes the
paths of tokens, too; where a route is for many hosts, the one that events are posted to. Takes the root. */}}
{{- define "theeye.issuerURL" -}}
{{- $url := include "theeye.ownIssuerURL" . -}}
{{- if contains "*" $url -}}
{{- $events := include "theeye.eventsURL" . | urlParse -}}
{{- $url = printf "%s://%s" $events.scheme $events.host -}}
{{- end -}}
{{ trimSuffix "/" $url }}
{{- end }}

{{- define "theeye.ownIssuerURL" -}}
{{- $v := .Values -}}
{{- if $v.auth.issuerURL -}}
{{ $v.auth.issuerURL }}
{{- else if and $v.gateway.enabled $v.gateway.hostnames -}}
{{ $v.gateway.scheme }}://{{ first $v.gateway.hostnames }}
{{- else if $v.ingress.enabled -}}
{{ $v.ingress.tlsSecretName | empty | ternary "http" "https" }}://{{ $v.ingress.host }}
{{- else -}}
{{ include "theeye.serviceURL" (dict "root" . "component" "auth") }}
{{- end -}}
{{- end }}

{{/* The paths of auth that are for clients; all others are the operator's, and no route has them. */}}
{{- define "theeye.tokenPaths" -}}
[/v1/token, /.well-known/jwks.json, /.well-known/oauth-authorization-server]
{{- end }}

{{/* Where a service finds Redis, as its own user of Redis. The password reaches the URL by the kubelet's own expansion,
and never the template. dict root, component. */}}
{{- define "theeye.redisEnv" -}}
{{- with .root.Values.redis.existing.secretName -}}
- name: THEEYE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ get $.root.Values.redis.existing.keys $.component }}
{{- else -}}
{{ include "theeye.passwordEnv" (dict "root" .root "name" "REDIS_PASSWORD" "key" (printf "redis-%s" .component)) }}
- name: THEEYE_REDIS_URL
  value: redis://{{ .component }}:$(REDIS_PASSWORD)@{{ include "theeye.fullname" .root }}-redis:6379
{{- end -}}
{{- end }}

{{/* Where a service finds PostgreSQL, as its own role. With an authority of our own PostgreSQL's certificate is verified in
full, unless the URL itself asks for something else. dict root, component. */}}
{{- define "theeye.postgresEnv" -}}
{{- $existing := .root.Values.postgres.existing -}}
{{- if $existing.secretName -}}
- name: THEEYE_POSTGRES_URL
  valueFrom:
    secretKeyRef:
      name: {{ $existing.secretName }}
      key: {{ get $existing.keys .component }}
{{- if $existing.caSecretName }}
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: /etc/theeye/ca/postgres/ca.crt
{{- end }}
{{- else -}}
{{ include "theeye.passwordEnv" (dict "root" .root "name" "POSTGRES_PASSWORD" "key" (printf "postgres-%s" .component)) }}
- name: THEEYE_POSTGRES_URL
  value: postgres://theeye_{{ .component }}:$(POSTGRES_PASSWORD)@{{ include "theeye.fullname" .root }}-postgres:5432/theeye?sslmode=disable
{{- end -}}
{{- end }}

{{/* A size in bytes, as Redis (512mb) or Kubernetes (1Gi) writes it. */}}
{{- define "theeye.bytes" -}}
{{- $units := dict "" 1 "b" 1 "k" 1e3 "kb" 1024 "ki" 1024 "m" 1e6 "mb" 1048576 "mi" 1048576 "g" 1e9 "gb" 1073741824 "gi" 1073741824 "t" 1e12 "ti" 1099511627776 -}}
{{- $size := toString . | lower -}}
{{- mulf (regexFind "^[0-9.]+" $size | float64) (get $units (regexFind "[a-z]*$" $size) | float64) -}}
{{- end }}

{{/* What Redis may hold. More than its pod's limit would have it killed, where it should have said that it is full. Takes
.Values.redis. */}}
{{- define "theeye.redisMaxMemory" -}}
{{- $limit := (.resources.limits | default dict).memory -}}
{{- if and $limit (ge (include "theeye.bytes" .maxMemory | float64) (include "theeye.bytes" $limit | float64)) -}}
{{- fail (printf "redis.maxMemory (%s) must be below redis.resources.limits.memory (%v), with room to rewrite its file" .maxMemory $limit) -}}
{{- end -}}
{{ .maxMemory }}
{{- end }}
