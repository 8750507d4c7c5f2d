package operator

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// rendered is a Secret of the model's Application with a template.
func rendered(template *v1alpha1.SecretTemplate, edits ...func(*model)) rendering {
	m := newModel(nil)
	m.app.Spec.Credentials = &v1alpha1.Credentials{Template: template}
	for _, edit := range edits {
		edit(m)
	}
	return render(m.app, &m.settings, renderKey, Book{{ID: "1", SHA256: digest(renderKey), IssuedAt: m.now}})
}

const renderKey = "eye_the_key"

// standardData is what a Secret without a template has, changed as a template would.
func standardData(changes map[string]string) map[string]string {
	data := map[string]string{
		"type": "theeye", "provider": "theeye", "client-id": newModel(nil).app.ClientID(),
		"client-secret": renderKey, "api-key": renderKey, "uri": eventsURL, "token-uri": tokenURL,
	}
	maps.Copy(data, changes)
	maps.DeleteFunc(data, func(_, value string) bool { return value == "-" })
	return data
}

func TestRenderData(t *testing.T) {
	t.Parallel()
	id := newModel(nil).app.ClientID()
	for name, c := range map[string]struct{ keys, want map[string]string }{
		"standard":          {},
		"a text":            {keys: map[string]string{"note": "hello"}, want: map[string]string{"note": "hello"}},
		"an empty text":     {keys: map[string]string{"note": ""}, want: map[string]string{"note": ""}},
		"one reference":     {keys: map[string]string{"ID": "$(client-id)"}, want: map[string]string{"ID": id}},
		"several":           {keys: map[string]string{"url": "$(client-id):$(api-key)@$(uri)?$(type)"}, want: map[string]string{"url": id + ":" + renderKey + "@" + eventsURL + "?theeye"}},
		"all the others":    {keys: map[string]string{"x": "$(client-secret) $(token-uri) $(provider)"}, want: map[string]string{"x": renderKey + " " + tokenURL + " theeye"}},
		"unknown reference": {keys: map[string]string{"x": "$(nothing) $(uri)"}, want: map[string]string{"x": "$(nothing) " + eventsURL}},
		"no reference":      {keys: map[string]string{"x": "$uri $$ $( uri) (uri)"}, want: map[string]string{"x": "$uri $$ $( uri) (uri)"}},
		"left out":          {keys: map[string]string{"token-uri": "", "client-secret": ""}, want: map[string]string{"token-uri": "-", "client-secret": "-"}},
		"renamed":           {keys: map[string]string{"CLIENT_ID": "$(client-id)", "client-id": ""}, want: map[string]string{"CLIENT_ID": id, "client-id": "-"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := map[string]string{}
			for key, value := range rendered(&v1alpha1.SecretTemplate{Keys: c.keys}).data {
				got[key] = string(value)
			}
			if diff := cmp.Diff(standardData(c.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where there is nothing to tell, there is no key: an empty address would be taken for one.
func TestRenderWithoutTokenURL(t *testing.T) {
	t.Parallel()
	r := rendered(nil, func(m *model) { m.settings.TokenURL = "" })
	if _, there := r.data[v1alpha1.KeyTokenURI]; there || len(r.data) != 6 {
		t.Errorf("keys are %v", r.data)
	}
}

func TestRenderMetadata(t *testing.T) {
	t.Parallel()
	r := rendered(&v1alpha1.SecretTemplate{
		Labels:      map[string]string{"team": "web", v1alpha1.SecretLabel: "theirs"},
		Annotations: map[string]string{"note": "ours", v1alpha1.CredentialsAnnotation: "theirs", renderedAnnotation: "theirs"},
	})
	if diff := cmp.Diff(map[string]string{"team": "web", v1alpha1.SecretLabel: v1alpha1.SecretIssued}, r.labels); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	book := readBook(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: r.annotations}})
	if len(r.annotations) != 3 || r.annotations["note"] != "ours" || r.annotations[renderedAnnotation] == "theirs" || len(book) != 1 {
		t.Errorf("annotations are %v", r.annotations)
	}
	for name, value := range r.annotations {
		if strings.Contains(value, renderKey) {
			t.Errorf("annotation %s has the key", name)
		}
	}
}

// A template is the spec's, which comes from a cache that others read.
func TestRenderLeavesTemplateAlone(t *testing.T) {
	t.Parallel()
	template := v1alpha1.SecretTemplate{Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"a": "b"}, Keys: map[string]string{"uri": ""}}
	before := template.DeepCopy()
	rendered(&template)
	if diff := cmp.Diff(before, &template); diff != "" {
		t.Error(diff)
	}
}

// What a template asks for no more is left over in the Secret, and matches tells by the shape alone.
func TestRenderShape(t *testing.T) {
	t.Parallel()
	full := func() *v1alpha1.SecretTemplate {
		return &v1alpha1.SecretTemplate{
			Labels: map[string]string{"l": "x"}, Annotations: map[string]string{"a": "x"}, Keys: map[string]string{"k": "x"},
		}
	}
	r := rendered(full())
	written := r.object(newModel(nil).app)
	if !r.matches(written) {
		t.Fatal("it does not match itself")
	}
	for name, c := range map[string]struct {
		change func(*v1alpha1.SecretTemplate)
		same   bool // shape
	}{
		"label gone":       {change: func(s *v1alpha1.SecretTemplate) { s.Labels = nil }},
		"annotation gone":  {change: func(s *v1alpha1.SecretTemplate) { s.Annotations = nil }},
		"key gone":         {change: func(s *v1alpha1.SecretTemplate) { s.Keys = nil }},
		"standard key out": {change: func(s *v1alpha1.SecretTemplate) { s.Keys["uri"] = "" }},
		"label renamed":    {change: func(s *v1alpha1.SecretTemplate) { s.Labels = map[string]string{"m": "x"} }},
		"label to key":     {change: func(s *v1alpha1.SecretTemplate) { s.Labels, s.Keys["l"] = nil, "x" }},
		"label's value":    {change: func(s *v1alpha1.SecretTemplate) { s.Labels["l"] = "y" }, same: true},
		"key's value":      {change: func(s *v1alpha1.SecretTemplate) { s.Keys["k"] = "y" }, same: true},
	} {
		template := full()
		c.change(template)
		other := rendered(template)
		if same := other.annotations[renderedAnnotation] == r.annotations[renderedAnnotation]; same != c.same {
			t.Errorf("%s: same shape %t, want %t", name, same, c.same)
		}
		if other.matches(written) {
			t.Errorf("%s: the Secret as it was still matches", name)
		}
	}
}

func TestRenderMatches(t *testing.T) {
	t.Parallel()
	r := rendered(nil)
	for name, c := range map[string]struct {
		change func(*corev1.Secret)
		want   bool
	}{
		"as written":         {change: func(*corev1.Secret) {}, want: true},
		"another's label":    {change: func(s *corev1.Secret) { s.Labels["their"] = "own" }, want: true},
		"another's note":     {change: func(s *corev1.Secret) { s.Annotations["their"] = "own" }, want: true},
		"another's key":      {change: func(s *corev1.Secret) { s.Data["their"] = []byte("own") }, want: true},
		"label gone":         {change: func(s *corev1.Secret) { s.Labels = nil }},
		"annotations gone":   {change: func(s *corev1.Secret) { s.Annotations = nil }},
		"key gone":           {change: func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeyURI) }},
		"key empty":          {change: func(s *corev1.Secret) { s.Data[v1alpha1.KeyURI] = nil }},
		"label changed":      {change: func(s *corev1.Secret) { s.Labels[v1alpha1.SecretLabel] = "other" }},
		"annotation changed": {change: func(s *corev1.Secret) { s.Annotations[v1alpha1.CredentialsAnnotation] = "[]" }},
		"value changed":      {change: func(s *corev1.Secret) { s.Data[v1alpha1.KeyProvider] = []byte("other") }},
	} {
		secret := r.object(newModel(nil).app).DeepCopy()
		c.change(secret)
		if got := r.matches(secret); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

// A Secret is the same whether it is created or applied; the one that was seen is meant, and no other of its name.
func TestRenderForms(t *testing.T) {
	t.Parallel()
	m := newModel(nil)
	r := rendered(&v1alpha1.SecretTemplate{Labels: map[string]string{"team": "web"}})
	created := r.object(m.app)
	created.UID = "seen"
	applied, err := secretOf(r.configuration(m.app, created))
	if err != nil {
		t.Fatal(err)
	}
	created.TypeMeta = applied.TypeMeta // only an apply says it
	if diff := cmp.Diff(created, applied); diff != "" {
		t.Error(diff)
	}
	if !metav1.IsControlledBy(created, m.app) || created.Type != v1alpha1.SecretType || created.Name != modelIssued || created.Namespace != "shop" {
		t.Errorf("created %+v", created.ObjectMeta)
	}
}

// A candidate has its key and its book, and a label by which no application takes it for the Secret.
func TestRenderCandidate(t *testing.T) {
	t.Parallel()
	m := newModel(nil)
	entry := Entry{ID: "2", SHA256: digest(renderKey), IssuedAt: m.now, Request: "now"}
	r := renderCandidate(m.app, renderKey, entry)
	secret := r.object(m.app)
	if diff := cmp.Diff(Book{entry}, readBook(secret)); diff != "" {
		t.Error(diff)
	}
	if secret.Name != modelNext || secret.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretCandidate || keyOf(secret) != renderKey || len(secret.Data) != 1 {
		t.Errorf("candidate %+v", secret)
	}
}
