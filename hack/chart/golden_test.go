package chart_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/hack/chart/render"
)

var update = flag.Bool("update", false, "write the golden files again") //nolint:gochecknoglobals // a flag

// What each variant renders to is written down, so that a change of a template shows as what it changes for people.
func TestGolden(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		file := filepath.Join("testdata", "golden", v.name+".yaml")
		got := []byte(withoutCRD(all(v.release)))
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("rendered otherwise than written down; go test ./hack/chart -run TestGolden -update writes it (-want +got):\n%s",
				cmp.Diff(string(want), string(got)))
		}
	})
}

// withoutCRD leaves the resource definition out, which another test compares with config/crd.
func withoutCRD(text string) string {
	documents := strings.SplitAfter(text, "\n---\n")
	kept := strings.Builder{}
	for _, document := range documents {
		if !strings.Contains(document, "\nkind: CustomResourceDefinition\n") {
			kept.WriteString(document)
		}
	}
	return kept.String()
}

// A golden file without a variant is of one that is no more.
func TestGoldenFilesHaveVariants(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	known := variants(t)
	for _, file := range files {
		if _, found := known[strings.TrimSuffix(filepath.Base(file), ".yaml")]; !found {
			t.Errorf("%s has no values in ci", file)
		}
	}
}

// GitOps renders again and again, by whatever cluster is at hand: always the same.
func TestRenderIsStable(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for _, version := range []string{oldest, "v1.37.0"} {
			r := request(v.values)
			r.KubeVersion = version
			r.APIVersions = []string{anyCluster, "monitoring.coreos.com/v1", "cert-manager.io/v1", "keda.sh/v1alpha1", "gateway.networking.k8s.io/v1"}
			again, err := render.Chart(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all(v.release), all(again)); diff != "" {
				t.Errorf("rendered once more, for Kubernetes %s, and got (-first +second):\n%s", version, diff)
			}
		}
	})
}

// Without a cluster at hand (helm template, and so GitOps) all is the same but for the Job that takes finalizers away
// before an uninstallation: whoever pipes the render into kubectl apply would run it at once.
func TestWithoutClusterNothingRetires(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		r := request(v.values)
		r.APIVersions = nil
		piped, err := render.Chart(r)
		if err != nil {
			t.Fatal(err)
		}
		var kept []render.Hook
		for _, hook := range v.release.Hooks {
			if !slices.Contains(hook.Events, "pre-delete") {
				kept = append(kept, hook)
			}
		}
		if len(kept) == len(v.release.Hooks) {
			t.Error("nothing retires with a cluster, either")
		}
		if diff := cmp.Diff(&render.Release{Manifest: v.release.Manifest, Hooks: kept, Notes: v.release.Notes}, piped); diff != "" {
			t.Errorf("more differs (-with a cluster +without):\n%s", diff)
		}
	})
}

// capricious is what makes a render depend on the moment, on the cluster, or on how often it was done.
var capricious = regexp.MustCompile(`\b(lookup|rand[A-Z]\w*|uuidv4|now|ago|gen(CA|SelfSigned|Signed|PrivateKey)\w*|derivePassword|htpasswd|bcrypt|` +
	`encryptAES|shuffle|getHostByName|IsUpgrade|IsInstall|Revision|APIVersions|KubeVersion)\b`)

func TestTemplatesAreNotCapricious(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir(filepath.Join(chartDir, "templates"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Base(path) == "NOTES.txt" { // read by people, and applied by nobody
			return err
		}
		files++
		text, err := os.ReadFile(path)
		text = bytes.ReplaceAll(text, []byte(`.Capabilities.APIVersions.Has "`+anyCluster+`"`), nil) // TestWithoutClusterNothingRetires
		for _, action := range regexp.MustCompile(`(?s)\{\{.*?\}\}`).FindAllString(string(text), -1) {
			if found := capricious.FindString(action); found != "" && !strings.HasPrefix(strings.TrimLeft(action, "{- "), "/*") {
				t.Errorf("%s uses %s in %s", path, found, action)
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%d templates, %v", files, err)
	}
}
