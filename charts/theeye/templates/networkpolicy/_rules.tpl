{{/*
Rules that several policies share. Each policy names both directions, so that what no rule says is denied.
*/}}

{{/* Pods of some components of this release, as peers. dict root, components. */}}
{{- define "theeye.network.pods" -}}
{{- range .components }}
- podSelector:
    matchLabels:
      {{- include "theeye.selectorLabels" (dict "root" $.root "component" .) | nindent 6 }}
{{- end }}
{{- end }}

{{/* Names can be resolved. Not by peers: resolvers on the node's own address are no pods. Takes the root. */}}
{{- define "theeye.network.dns" -}}
- ports:
    {{- range required "networkPolicy.dnsPorts: name one port at least" .Values.networkPolicy.dnsPorts }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}

{{/* The API server. It is no pod, and its addresses change: it is known by its ports alone; a rule without ports would
open all of them. Takes the root. */}}
{{- define "theeye.network.apiServer" -}}
- ports:
    {{- range required "networkPolicy.apiServerPorts: name one port at least" .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}

{{/* Redis or PostgreSQL: our own pod, or whatever listens on an existing one's port. dict root, component, port (ours). */}}
{{- define "theeye.network.store" -}}
{{- $existing := (get .root.Values .component).existing -}}
{{- if $existing.secretName -}}
- ports:
    - {port: {{ $existing.port }}, protocol: TCP}
{{- else -}}
{{- include "theeye.network.to" (dict "root" .root "component" .component "port" .port) -}}
{{- end }}
{{- end }}

{{/* One port of a component's pods. dict root, component, port. */}}
{{- define "theeye.network.to" -}}
- to:
    {{- include "theeye.network.pods" (dict "root" .root "components" (list .component)) | trim | nindent 4 }}
  ports:
    - {port: {{ .port }}, protocol: TCP}
{{- end }}

{{/* Whoever scrapes the operations port. dict root, component. */}}
{{- define "theeye.network.scraped" -}}
{{- with .root.Values.networkPolicy.scrapers -}}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    - {port: {{ include "theeye.opsPort" $.component }}, protocol: TCP}
{{- end }}
{{- end }}

{{/* Kind, name, and whom the policy is for. dict root, component; optional: annotations. */}}
{{- define "theeye.network.head" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "theeye.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "theeye.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}
