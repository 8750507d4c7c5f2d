{{/*
The Services of a component. The first is for the inside: the public port, and the one for operations where metrics are
fetched. Whoever publishes a component by NodePort or LoadBalancer gets a second one without that port: metrics and
profiles are nobody's business outside. dict root, component.
*/}}
{{- define "theeye.service" -}}
{{- $service := (get .root.Values .component).service | default dict -}}
{{- $public := ne (default "ClusterIP" $service.type) "ClusterIP" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "theeye.metadata" (merge (dict "annotations" ($public | ternary dict $service.annotations)) .) | nindent 2 }}
spec:
  type: ClusterIP
  selector:
    {{- include "theeye.selectorLabels" . | nindent 4 }}
  ports:
    {{- if $service.port }}
    {{- include "theeye.httpServicePort" . | nindent 4 }}
    {{- end }}
    - name: ops
      port: {{ include "theeye.opsPort" .component }}
      targetPort: ops
      appProtocol: {{ .root.Values.tls.enabled | ternary "https" "http" }}
{{- if $public }}
---
apiVersion: v1
kind: Service
metadata:
  {{- $name := printf "%s-public" (include "theeye.componentName" .) }}
  {{- include "theeye.metadata" (merge (dict "name" $name "annotations" $service.annotations) .) | nindent 2 }}
spec:
  type: {{ $service.type }}
  selector:
    {{- include "theeye.selectorLabels" . | nindent 4 }}
  ports:
    {{- include "theeye.httpServicePort" . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "theeye.httpServicePort" -}}
- name: http
  port: {{ (get .root.Values .component).service.port }}
  targetPort: http
  appProtocol: {{ .root.Values.tls.enabled | ternary "https" "http" }}
{{- end }}

{{/* A component's service account. Its token is mounted by pods that need one, and by no other. dict root, component. */}}
{{- define "theeye.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "theeye.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
