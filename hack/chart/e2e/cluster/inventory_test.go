package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func object(kind, name, owner string) unstructured.Unstructured {
	var o unstructured.Unstructured
	o.SetKind(kind)
	o.SetName(name)
	if owner != "" {
		o.SetAnnotations(map[string]string{"meta.helm.sh/release-name": "theeye", "meta.helm.sh/release-namespace": owner})
	}
	return o
}

// What OfRelease returns is removed at the end of a run: another release's must not be among it.
func TestOfRelease(t *testing.T) {
	all := []unstructured.Unstructured{
		object("Namespace", "e2e", "e2e"),
		object("Namespace", "e2e-apps", ""),
		object("CustomResourceDefinition", "applications.theeye.dev", "e2e"),
		object("CustomResourceDefinition", "applications.theeye.dev", "production"),
		object("ClusterRole", "e2e:theeye-operator", ""),
		object("ClusterRole", "production:theeye-operator", "production"),
		object("PersistentVolume", "local-1", ""),
	}
	want := []string{"ClusterRole/e2e:theeye-operator", "CustomResourceDefinition/applications.theeye.dev"}
	got := OfRelease(all, "theeye", "e2e")
	if diff := cmp.Diff(want, Names(got)); diff != "" || len(got) != len(want) || len(all) != 7 {
		t.Error(diff, got)
	}
}
