package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

// ofCluster is what an operator wants of an application.
func ofCluster(name, cluster string) registry.DesiredApplication {
	want := desired(name)
	want.Cluster, want.DeletionPolicy = cluster, registry.Erase
	return want
}

// list follows the pages of a query from the first to the last.
func (f *fixture) list(query string) (apps []registry.Application) {
	f.Helper()
	for cursor, more := "", true; more; {
		var page Applications
		f.do("GET", "/v1/applications?"+query+cursor, nil, http.StatusOK, &page)
		apps = append(apps, page.Applications...)
		cursor, more = "&cursor="+page.NextCursor, page.NextCursor != ""
	}
	return apps
}

// TestClusterAndDeletionPolicy are told wherever an application is, and stay with its tombstone.
func TestClusterAndDeletionPolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	var put, got, byHand registry.Application
	f.do("PUT", path(uid), ofCluster("web-shop", "east-1"), http.StatusCreated, &put)
	if put.Cluster != "east-1" || put.DeletionPolicy != registry.Erase {
		t.Fatalf("put %+v", put)
	}
	f.do("GET", path(uid), nil, http.StatusOK, &got)
	f.same("got", got, put)
	f.same("listed", f.list(""), []registry.Application{put})
	f.same("published", f.stored(uid), put)
	f.do("DELETE", path(uid), nil, http.StatusNoContent, nil)
	if tombstone := f.stored(uid); tombstone.Cluster != "east-1" || tombstone.DeletionPolicy != registry.Erase {
		t.Fatalf("tombstone %+v", tombstone)
	}
	f.do("PUT", path(uid), desired("web-shop"), http.StatusCreated, &byHand)
	if byHand.Cluster != "" || byHand.DeletionPolicy != "" {
		t.Fatalf("kept by hand from now on: %+v", byHand)
	}
}

// TestUnchangedPutKeepsTheRevision sends one state in several spellings: an operator that compares and repeats must not
// wake every reader of the log.
func TestUnchangedPutKeepsTheRevision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	first := `{"namespace":"shop","name":"web-shop","cluster":"c","deletionPolicy":"Retain","policy":{"displayName":"<&>",
		"origins":[],"retention":"720h","limits":{},"timestamps":{"maxAge":"1h"},"eventTypes":[
		{"category":"a","name":"b","schema":{"const":[1.0, 1e2, "<ä>"]}},{"category":"a","name":"c","schemaUnavailable":true}]}}`
	again := `{"policy":{"eventTypes":[{"name":"b","category":"a","schema":{"const":[1.0,1e2,"<ä>"]},"schemaUnavailable":false},
		{"category":"a","name":"c","schemaUnavailable":true}],"timestamps":{"maxAge":"60m"},"limits":{"burst":0},
		"retention":"43200m","displayName":"<&>"},"deletionPolicy":"Retain","cluster":"c","name":"web-shop","namespace":"shop"}`
	var was, is registry.Application
	f.do("PUT", path(uid), first, http.StatusCreated, &was)
	f.do("PUT", credentialPath(uid, "1"), credential("k"), http.StatusCreated, nil)
	revision, entries := f.load(uid).Revision, f.redis.XLen(t.Context(), registry.LogKey).Val()
	for _, body := range []string{first, again, first} {
		f.do("PUT", path(uid), body, http.StatusOK, &is)
		f.same("revision", is.Revision, revision)
	}
	if is.Policy.EventTypes[1].SchemaUnavailable != true || is.Policy.EventTypes[0].SchemaUnavailable {
		t.Errorf("event types %+v", is.Policy.EventTypes)
	}
	f.same("log entries", f.redis.XLen(t.Context(), registry.LogKey).Val(), entries)
	for _, other := range []string{
		strings.Replace(first, `"cluster":"c"`, `"cluster":"d"`, 1),
		strings.Replace(first, `"Retain"`, `"Erase"`, 1),
		strings.Replace(first, `,"schemaUnavailable":true`, ``, 1),
	} {
		var is registry.Application // what a decoder finds there would stay
		f.do("PUT", path(uid), other, http.StatusOK, &is)
		if is.Revision <= revision {
			t.Errorf("revision stays %d for %s", revision, other)
		}
		revision = is.Revision
		f.same("published", f.stored(uid), is)
	}
}

func TestListOfACluster(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want []string
	for i := range 9 {
		uid := uuid.New()
		cluster := []string{"east", "west", ""}[i%3]
		f.do("PUT", path(uid), ofCluster(fmt.Sprint("app-", i), cluster), http.StatusCreated, nil)
		switch {
		case i == 3:
			f.do("DELETE", path(uid), nil, http.StatusNoContent, nil)
		case cluster == "east":
			want = append(want, uid.String())
		}
	}
	slices.Sort(want)
	for _, query := range []string{"cluster=east", "cluster=east&limit=1", "cluster=east&view=summary&limit=1"} {
		var got []string
		for _, app := range f.list(query) {
			got = append(got, app.UID.String())
		}
		f.same(query, got, want)
	}
	f.same("of an unknown one", len(f.list("cluster=north")), 0)
	f.same("all", len(f.list("limit=3")), 8)
}

// TestSummary lists what an operator compares, and reads no policy for it: this one could not be read.
func TestSummary(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	var app registry.Application
	want := ofCluster("web-shop", "east")
	want.Policy.DisplayName = "Web shop"
	f.do("PUT", path(uid), want, http.StatusCreated, nil)
	f.do("PUT", credentialPath(uid, "1"), credential("k"), http.StatusCreated, nil)
	f.do("GET", path(uid), nil, http.StatusOK, &app)
	f.exec(`UPDATE auth.applications SET policy = '"not an object"'`)
	app.Policy, app.Credentials = registry.Policy{}, nil
	f.same("summary", f.list("cluster=east&view=summary"), []registry.Application{app})
	f.same("summary of all", f.list("view=summary"), []registry.Application{app})
}

// TestPlanOfAClustersPage is what makes the comparison of thousands cheap: the cluster's own index, and no policies.
func TestPlanOfAClustersPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO auth.applications (uid, namespace, name, client_id, policy, revision, cluster)
		SELECT u, 'n', 'a', u, '{}', 7, 'cluster-' || i % 50 FROM (SELECT i, gen_random_uuid() u FROM generate_series(1, 5000) i) AS many`)
	f.exec("ANALYZE auth.applications")
	for _, page := range []Page{{Limit: 101, Cluster: "cluster-7"}, {Limit: 101, Cluster: "cluster-7", Summary: true}} {
		statement, args := page.query()
		var plan []string
		rows, err := f.pool.Query(t.Context(), "EXPLAIN (VERBOSE) "+statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, "applications_cluster") || strings.Contains(text, "Seq Scan") {
			t.Errorf("%+v does not use the index:\n%s", page, text)
		}
		if strings.Contains(text, "a.policy") == page.Summary {
			t.Errorf("%+v and the policy:\n%s", page, text)
		}
	}
}

// TestReleaseBefore runs its statements beside this release: they know neither column, and harm neither.
func TestReleaseBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid, other := uuid.New(), uuid.New()
	f.do("PUT", path(uid), ofCluster("web-shop", "east"), http.StatusCreated, nil)
	revision := f.load(uid).Revision
	f.exec(`UPDATE auth.applications SET namespace = $2, name = $3, client_id = $4, policy = $5, revision = $6,
		deleted_at = CASE WHEN $7 THEN $8::timestamptz END WHERE uid = $1`,
		uid, "shop", "renamed", "eye_1", "{}", revision+1, false, time.Now())
	f.exec(`INSERT INTO auth.applications (uid, namespace, name, client_id, policy, revision, deleted_at)
			VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN $8::timestamptz END) ON CONFLICT DO NOTHING`,
		other, "shop", "new", "eye_2", "{}", 7, false, time.Now())
	if app := f.load(uid); app.Name != "renamed" || app.Cluster != "east" || app.DeletionPolicy != registry.Erase {
		t.Errorf("changed by the release before: %+v", app)
	}
	if app := f.load(other); app.Cluster != "" || app.DeletionPolicy != "" {
		t.Errorf("made by the release before: %+v", app)
	}
}

// TestBackupFromBefore is a database that came back as the release before had left it.
func TestBackupFromBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.do("PUT", path(uid), ofCluster("web-shop", "east"), http.StatusCreated, nil)
	f.run()
	f.exec("DROP TABLE auth.signing_keys; " +
		"ALTER TABLE auth.applications DROP COLUMN cluster, DROP COLUMN deletion_policy; UPDATE auth.schema_version SET version = 1")
	f.clock.Advance(compareEvery)
	f.eventually("migrated again", func() bool {
		status, answer := f.send("PUT", path(uid), ofCluster("web-shop", "east"), adminToken)
		if status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", status, answer)
		}
		return status == http.StatusOK
	})
	f.same("published", f.stored(uid), f.load(uid))
}

func TestClusterAndPolicyAreChecked(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		`"cluster":""`: true, `"cluster":"a"`: true, `"cluster":"prod-eu-1"`: true, `"cluster":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`: true,
		`"cluster":"` + strings.Repeat("a", 63) + `"`: true, `"cluster":"` + strings.Repeat("a", 64) + `"`: false,
		`"cluster":"A"`: false, `"cluster":"a.b"`: false, `"cluster":"a b"`: false, `"cluster":"a\n"`: false, `"cluster":"ä"`: false,
		`"deletionPolicy":""`: true, `"deletionPolicy":"Retain"`: true, `"deletionPolicy":"Erase"`: true,
		`"deletionPolicy":"erase"`: false, `"deletionPolicy":"Delete"`: false,
	} {
		var want registry.DesiredApplication
		if err := json.Unmarshal([]byte(`{"namespace":"a","name":"b",`+text+`}`), &want); err != nil {
			t.Fatal(err)
		}
		if err := checkApplication(&want); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
