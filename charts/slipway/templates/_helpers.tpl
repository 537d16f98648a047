{{- define "slipway.name" -}}
{{- if contains "slipway" .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-slipway" .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "slipway.selector" -}}
app.kubernetes.io/name: slipway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "slipway.labels" -}}
{{ include "slipway.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Not the operator's: its Service, budget and NetworkPolicy select by those. */}}
{{- define "slipway.consoleSelector" -}}
app.kubernetes.io/name: slipway-console
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "slipway.consoleLabels" -}}
{{ include "slipway.consoleSelector" . }}
app.kubernetes.io/component: console
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* What the console reads: no Pods, no Events, no Secrets, and not a verb that writes. */}}
{{- define "slipway.consoleRules" -}}
- apiGroups: [serving.slipway.dev]
  resources: [modeldeployments, registeredmodels, modelversions]
  verbs: [list, watch]
{{- end }}

{{- define "slipway.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "slipway.name" .) }}
{{- end }}

{{- define "slipway.subjects" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "slipway.serviceAccount" . }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}

{{- /* An image reference: (list IMAGE .Chart.AppVersion) → REPOSITORY@DIGEST, else REPOSITORY:TAG. */}}
{{- define "slipway.image" -}}
{{- $image := first . -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (last .) }}{{ end }}
{{- end }}

{{- /* What the operator may do where models live: the verbs that it uses and no others. No secret, no exec. */}}
{{- define "slipway.rules" -}}
- apiGroups: [serving.slipway.dev]
  resources: [modeldeployments]
  verbs: [get, list, watch]
- apiGroups: [serving.slipway.dev]
  resources: [modeldeployments/status]
  verbs: [patch]
- apiGroups: [serving.slipway.dev]
  resources: [registeredmodels, modelversions]
  verbs: [list, watch]
- apiGroups: [serving.slipway.dev]
  resources: [registeredmodels/status, modelversions/status]
  verbs: [patch]
# No finalizer is ever set. Where the API server checks blockOwnerDeletion (OpenShift does), naming an owner needs this.
- apiGroups: [serving.slipway.dev]
  resources: [modeldeployments/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions, deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [resource.k8s.io]
  resources: [resourceclaimtemplates]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.envoyproxy.io]
  resources: [backendtrafficpolicies, securitypolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
# Only Events tell why a pod does not come or start; they are listed for one object, once that takes too long.
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- end }}

{{- /*
A text as CEL writes it. JSON is CEL, but for the three characters that Go escapes and that CEL takes as they are, too.
*/}}
{{- define "slipway.cel" -}}
{{ toJson . }}
{{- end }}

{{- /*
CEL: whether a request is for a namespace in which the operator may make nothing: kube-*, and its own unless `namespaces`
names it.
*/}}
{{- define "slipway.barred" -}}
request.namespace.startsWith('kube-')
{{- if not (has .Release.Namespace .Values.namespaces) }} || request.namespace == {{ include "slipway.cel" .Release.Namespace }}{{ end }}
{{- end }}

{{- /* Whom to ask. Values that `helm upgrade --reuse-values` brings from an older chart lack what is new, here and elsewhere. */}}
{{- define "slipway.contact" -}}
{{ dig "admission" "contact" "whoever administers this cluster" .Values.AsMap }}
{{- end }}

{{- /* CEL: what a user is told who lacks a right: (list . FIELD RIGHT), each of both an expression that gives a text. */}}
{{- define "slipway.lacks" -}}
{{- $root := first . -}}
{{ index . 1 }} + ': this takes the right to ' + {{ index . 2 }} + ' in namespace ' + request.namespace + ', which ' + request.userInfo.username + ' lacks: ask ' + {{ include "slipway.cel" (include "slipway.contact" $root) }} + ' for it, or leave the field as it was'
{{- end }}

{{- /* Which objects a policy looks at, where `namespaces` are listed: another release may serve the others otherwise. */}}
{{- define "slipway.served" -}}
{{- with .Values.namespaces }}
    namespaceSelector:
      matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* A binding of a policy that has the same name: (list . NAME). */}}
{{- define "slipway.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ last . }}
  labels:
    {{- include "slipway.labels" (first .) | nindent 4 }}
spec:
  policyName: {{ last . }}
  validationActions: [Deny]
{{- end }}

{{- /*
models.networkPolicy, or what it is where nobody says: as it was with the operator that runs, which had no such setting once
and served openly; Namespace where none does yet; Open where there is no cluster to look at.
*/}}
{{- define "slipway.modelsPolicy" -}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace (include "slipway.name" .) -}}
{{- if .Values.models.networkPolicy -}}
{{ .Values.models.networkPolicy }}
{{- else if $running -}}
{{ contains `\"policy\":\"Namespace\"` (toJson $running.spec) | ternary "Namespace" "Open" }}
{{- else -}}
{{ lookup "v1" "Namespace" "" "kube-system" | empty | ternary "Open" "Namespace" }}
{{- end -}}
{{- end }}

{{- /* What the operator makes NetworkPolicies of models from: docs/contracts.md. */}}
{{- define "slipway.modelNetwork" -}}
{{- $models := .Values.models -}}
{{- $policy := include "slipway.modelsPolicy" . -}}
{{- $network := dict "policy" $policy -}}
{{- if hasKey $models "kedaFrom" }}{{ $_ := set $network "kedaFrom" $models.kedaFrom }}{{ end -}}
{{- if eq $policy "Namespace" -}}
{{- $scraped := and .Values.metrics.podMonitor.enabled (not (or .Values.metrics.allowFrom $models.allowFrom)) -}}
{{- if $scraped }}{{ fail "metrics.allowFrom: nobody may read the models' metrics, so a PodMonitor finds nothing: name Prometheus' pods there, or set models.networkPolicy to Open" }}{{ end -}}
{{- range $name, $peers := dict "allowFrom" $models.allowFrom "metricsFrom" .Values.metrics.allowFrom "gatewayNamespaces" $models.gatewayNamespaces "allowTo" $models.allowTo "denyTo" $models.denyTo -}}
{{- with $peers }}{{ $_ := set $network $name . }}{{ end -}}
{{- end -}}
{{- end -}}
{{ toJson $network }}
{{- end }}
