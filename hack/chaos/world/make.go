package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/hack/servers"
)

// make makes the services; each has links of its own to all it needs.
func (w *World) make() error {
	if w.client == nil || w.Postgres == nil {
		return nil // it was told why
	}
	l := newLinks()
	for _, of := range []struct {
		kind Kind
		n    int
	}{{Auth, 1}, {Ingest, w.options.Ingests}, {Persistence, w.options.Persistences + w.options.Spares}} {
		for i := range of.n {
			s, err := w.service(l, of.kind, fmt.Sprintf("%s-%d", of.kind, i+1))
			if err != nil {
				return err
			}
			w.Services = append(w.Services, s)
		}
	}
	return nil
}

func (w *World) service(l links, kind Kind, name string) (*Service, error) {
	public, err1 := servers.FreePort()
	ops, err2 := servers.FreePort()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	s := &Service{
		Name: name, Kind: kind, world: w, public: servers.Address(public), ops: servers.Address(ops), replica: name,
		log: filepath.Join(w.options.Dir, name+".log"), points: filepath.Join(w.options.Dir, "failpoints", name),
	}
	if err := os.MkdirAll(s.points, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	if err := w.connect(l, s); err != nil {
		return nil, err
	}
	return s, w.configure(s)
}

// connect opens the links of a service.
func (w *World) connect(l links, s *Service) error {
	if w.options.Plain {
		return nil
	}
	var errs []error
	open := func(name, target string) *Link {
		link, err := l.open(name, target)
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		w.links, s.Links = append(w.links, link), append(s.Links, link)
		return link
	}
	if w.Redis != nil {
		s.redis = open(s.Name+" → redis", w.Redis.Address())
	}
	if s.Kind != Ingest {
		s.postgres = open(s.Name+" → postgres", w.Postgres.Address())
	}
	if s.Kind != Persistence {
		s.front = open("clients → "+s.Name, s.public)
	}
	return errors.Join(errs...)
}

// encryptionKey of what auth signs access tokens with; nobody asks for one here.
const encryptionKey = "an-encryption-key-of-32-bytes-or-more-for-chaos"

// raceOptions lets a process that has met a data race go on: its log has it, and Notes finds it there.
const raceOptions = "GORACE=halt_on_error=0 exitcode=0"

// configure sets what the service is started with. Nothing is inherited, and what is secret is no argument.
func (w *World) configure(s *Service) error {
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "TZ=UTC", raceOptions, "THEEYE_LOG_LEVEL=info", "THEEYE_ADMIN_TOKEN=" + w.AdminToken,
		"THEEYE_FAILPOINTS=" + s.points, "THEEYE_REDIS_URL=" + w.redisThrough(s.redis),
	}
	if s.Kind == Ingest {
		s.env = append(s.env, "THEEYE_REDIS_REPLICAS="+strconv.Itoa(w.options.Replicas))
	}
	if w.options.RelaxedRedis {
		s.env = append(s.env, "THEEYE_REDIS_DURABILITY=relaxed")
	}
	if s.Kind != Ingest {
		url, err := w.postgresThrough(s.postgres)
		if err != nil {
			return err
		}
		s.env = append(s.env, "THEEYE_POSTGRES_URL="+url)
	}
	if s.Kind == Auth {
		s.env = append(s.env, "THEEYE_ISSUER_URL="+s.URL(), "THEEYE_SIGNING_KEY_ENCRYPTION="+encryptionKey)
	}
	s.args = append([]string{"--listen=" + s.public, "--ops-listen=" + s.ops}, w.options.Args[s.Kind]...)
	return nil
}

// redisThrough is Redis' URL by way of a link, where there is one. The nodes of a cluster have their own.
func (w *World) redisThrough(link *Link) string {
	switch {
	case w.Cluster != nil:
		return w.Cluster.URL()
	case link == nil:
		return w.Redis.URL()
	}
	return "redis://" + link.Address() + "/0"
}

// postgresThrough is PostgreSQL's URL by way of a link, where there is one.
func (w *World) postgresThrough(link *Link) (string, error) {
	if link == nil {
		return w.Postgres.URL(), nil
	}
	config, err := pgx.ParseConfig(w.Postgres.URL())
	if err != nil {
		return "", fmt.Errorf("read PostgreSQL's URL: %w", err)
	}
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", config.User, config.Password, link.Address(), config.Database), nil
}

// Of returns the services of some kinds, or all.
func (w *World) Of(kinds ...Kind) (found []*Service) {
	for _, s := range w.Services {
		if len(kinds) == 0 || slices.Contains(kinds, s.Kind) {
			found = append(found, s)
		}
	}
	return found
}

// Running returns the services of some kinds that are wanted now.
func (w *World) Running(kinds ...Kind) []*Service {
	return slices.DeleteFunc(w.Of(kinds...), func(s *Service) bool { return !s.Running() })
}
