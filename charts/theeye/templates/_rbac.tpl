{{/*
Rights. The rules are files: files/rbac has those that make generate writes from the code, and those that each command of
the operator is tested with; templates only say for whom and where they hold.
*/}}

{{/* The rules of a whole role in files/rbac. They say theeye-operator where the name of the operator's Deployment stands,
which is a release's own. dict root, file. */}}
{{- define "theeye.roleRules" -}}
{{- $role := .root.Files.Get (printf "files/rbac/%s.yaml" .file) | fromYaml -}}
{{- required (printf "files/rbac/%s.yaml has no rules: make generate" .file) $role.rules | toYaml | replace "theeye-operator" (include "theeye.componentName" (dict "root" .root "component" "operator")) -}}
{{- end }}

{{/* The rules of a list in files/rbac, in which NAME stands for an object's name. dict root, file, name. */}}
{{- define "theeye.listRules" -}}
{{- .root.Files.Get (printf "files/rbac/%s.yaml" .file) | replace "NAME" .name | fromYamlArray | toYaml -}}
{{- end }}

{{/* Role and RoleBinding under one name, for one service account of the release's namespace. dict root, component, rules,
account; optional: name, namespace, annotations. */}}
{{- define "theeye.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "theeye.metadata" . | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "theeye.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name | default (include "theeye.componentName" .) }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* The same for the whole cluster, and for one account or several. dict root, component, rules, accounts; optional: name,
annotations. */}}
{{- define "theeye.clusterRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  {{- include "theeye.clusterMetadata" . | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- include "theeye.clusterMetadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name | default (include "theeye.clusterName" .) }}
subjects:
  {{- range .accounts }}
  - kind: ServiceAccount
    name: {{ . }}
    namespace: {{ $.root.Release.Namespace }}
  {{- end }}
{{- end }}
