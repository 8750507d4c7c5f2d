package services_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// chartSystem is TheEye on the chart's Redis and PostgreSQL, each service as its own user and role.
type chartSystem struct {
	*system
	redis    *chartRedis
	postgres *chartPostgres
	used     map[string]bool // commands that Redis carried out, also of scripts
}

func newChartSystem(t *testing.T) *chartSystem {
	t.Helper()
	s := &chartSystem{system: &system{t: t}, redis: newChartRedis(t), postgres: newChartPostgres(t), used: map[string]bool{}}
	s.postgres.start()
	s.postgresURL = s.postgres.url("admin") // for tests that hold a service up
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: testenv.Contract(t, transport), Timeout: patience}
	s.auth = testenv.Start(t, s.as("auth", "THEEYE_POSTGRES_URL="+s.postgres.url("auth"), "THEEYE_ADMIN_TOKEN="+adminToken))
	s.ingest = testenv.Start(t, s.as("ingest"))
	s.persistence = testenv.Start(t, s.as("persistence", "THEEYE_POSTGRES_URL="+s.postgres.url("persistence"),
		"THEEYE_ADMIN_TOKEN="+adminToken, "THEEYE_REPLICA=persistence-0", "THEEYE_TAIL=1m"))
	return s
}

func (s *chartSystem) as(service string, env ...string) testenv.Options {
	return testenv.Options{Name: service, Env: append(env, "THEEYE_REDIS_URL="+s.redis.url(service))}
}

// take notes what Redis has carried out and what it has refused since it started, which must be nothing.
func (s *chartSystem) take() {
	s.t.Helper()
	if refused := s.redis.refusals(); len(refused) > 0 {
		s.t.Errorf("Redis refused %q", refused)
	}
	stats, err := s.redis.client(inspector).Info(s.t.Context(), "commandstats").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^cmdstat_(\S+?):calls=[1-9]`).FindAllStringSubmatch(stats, -1) {
		s.used[found[1]] = true
	}
}

// TestServicesNeedExactlyTheRightsTheyHave goes every way that there is while Redis, PostgreSQL and the services are
// killed: nothing is refused, and no right remains that nobody uses.
func TestServicesNeedExactlyTheRightsTheyHave(t *testing.T) {
	s := newChartSystem(t)
	a, b := s.register("web", registry.Policy{}), s.register("blog", registry.Policy{Limits: &registry.Limits{EventsPerSecond: 1000}})
	w := workload{sessions: 40, perSession: 50, workers: workers, batch: 25, resend: 0.1}
	kills := []func(){
		func() { s.withBatchInHand(s.persistence.Kill); s.persistence.Restart() },
		func() { s.take(); s.redis.restart() },
		s.postgres.restart,
	}
	s.whileRunning(w, a, func() { kills[0](); kills = kills[1:] })
	if _, err := s.insist(t.Context(), b, eventJSON(0, 0)); err != nil {
		t.Fatal(err)
	}
	w.verify(s.system, a)
	if status, body := s.post(a, `{"session_id":"s"}`); status != http.StatusUnprocessableEntity {
		t.Errorf("an event without a name: %d %s", status, body)
	}
	s.erase(a)
	s.mustAdmin(http.MethodDelete, a.path(), nil)
	eventually(t, func() error {
		if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusUnauthorized {
			return fmt.Errorf("a deleted application is answered %d %s", status, body)
		}
		return nil
	})
	s.repairs(a, b)
	s.awaitEvents(b, url.Values{}, 1)
	var idle []string
	eventually(t, func() error {
		s.take()
		if idle = s.idle(); len(idle) > 0 {
			return fmt.Errorf("nobody uses %q", idle)
		}
		return nil
	})
}

// repairs has auth start on a log that has lost one record, and has another of an application that was deleted long ago.
func (s *chartSystem) repairs(gone, kept application) {
	s.t.Helper()
	if _, err := s.postgres.connect("admin").Exec(s.t.Context(), "UPDATE auth.applications SET deleted_at = '2001-01-01' WHERE uid = $1", gone.uid); err != nil {
		s.t.Fatal(err)
	}
	inspect := s.redis.client(inspector)
	if err := inspect.HDel(s.t.Context(), registry.LatestKey, kept.uid.String(), registry.FieldComplete).Err(); err != nil {
		s.t.Fatal(err)
	}
	s.auth.Restart()
	eventually(s.t, func() error {
		found, err := inspect.HMGet(s.t.Context(), registry.LatestKey, gone.uid.String(), kept.uid.String(), registry.FieldComplete).Result()
		if err == nil && (found[0] != nil || found[1] == nil || found[2] == nil) {
			err = fmt.Errorf("the log holds %v", found)
		}
		return err
	})
}

// idle are the commands that a rule grants by name and nobody has used.
func (s *chartSystem) idle() (idle []string) {
	s.t.Helper()
	granted := regexp.MustCompile(`\+([a-z|]+)`)
	for _, rule := range aclRules(s.t) {
		for _, found := range granted.FindAllStringSubmatch(rule, -1) {
			if !s.used[found[1]] {
				idle = append(idle, found[1])
			}
		}
	}
	slices.Sort(idle)
	return slices.Compact(idle)
}

// TestPasswordsAreNeitherWrittenNorShown: they are in the Secret and nowhere else.
func TestPasswordsAreNeitherWrittenNorShown(t *testing.T) {
	t.Parallel()
	r, p := newChartRedis(t), newChartPostgres(t)
	p.start()
	p.killAll()
	wrong := p.preparing()
	wrong.LogFile = p.path("wrong.log")
	script := readFile(t, p.path("config/server.sql"))
	broken := strings.Replace(script, "ALTER ROLE theeye_persistence", "ALTER ROLE nobody", 1)
	if broken == script {
		t.Fatal("the script sets no password of persistence: the test tests nothing")
	}
	writeFiles(t, p.path("config"), map[string]string{"server.sql": broken})
	if err := try(t, wrong); err == nil || !strings.Contains(err.Error(), `role "nobody" does not exist`) {
		t.Errorf("a faulty start ends with %v", err)
	}
	texts := map[string]string{
		"users file": readFile(t, r.path("users.acl")), "Redis' log": readFile(t, r.path("redis.log")),
		"PostgreSQL's log": readFile(t, p.path("log")), "log of a faulty start": readFile(t, p.path("wrong.log")),
	}
	for _, passwords := range []map[string]string{r.passwords, p.passwords} {
		for user, password := range passwords {
			for where, text := range texts {
				if strings.Contains(text, password) {
					t.Errorf("the password of %s is in %s", user, where)
				}
			}
		}
	}
}
