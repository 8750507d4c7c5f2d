package services_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/quota"
)

// refused are commands that a user of Redis must not carry out, each for its own reason; words are separated by spaces.
func refused() map[string][]string {
	const log, latest, events, tail = registry.LogKey, registry.LatestKey, "theeye:events:{0}", "theeye:{tail}"
	const store, erasures = "theeye:store:{0}", "theeye:{erasures}"
	const limits = quota.KeyPrefix + "{application}"
	everybody := []string{
		"FLUSHALL", "KEYS *", "CONFIG SET appendfsync no", "ACL LIST", "ACL SETUSER ingest on", "MONITOR", "SHUTDOWN",
		"CLIENT LIST", "CLIENT KILL ID 1", "MODULE LIST", "REPLICAOF 127.0.0.1 1", "BGREWRITEAOF", "PUBLISH channel x", "SUBSCRIBE channel",
		"GET other", "SET other x", "DEL " + events, "DEL " + latest, "DEL " + log, "DEL " + event.PartitionsKey, "RENAME " + events + " other",
		"XDEL " + events + " 1-1", "XGROUP DESTROY " + events + " persistence",
		"SET " + events + " x", "SET " + latest + " x", "SET " + log + " x", "XTRIM " + log + " MAXLEN 0", "COPY " + events + " " + log,
		"DEL " + tail, "XDEL " + tail + " 1-1", "SET " + tail + " x",
	}
	// What became of events is for those whom persistence lets read it.
	deaf := []string{
		"EVAL return(1) 1 " + tail, "RENAME " + tail + ":copy " + tail, "UNLINK " + tail, "GET " + tail + ":owner", "SET " + tail + ":owner x",
		"XREAD STREAMS " + tail + " 0", "XADD " + tail + " * d x", "XRANGE " + tail + " - +", "XTRIM " + tail + " MAXLEN 0",
	}
	// Whoever writes the application log decides who may post.
	readers := []string{
		"XADD " + log + " * record x", "HSET " + latest + " complete x", "HDEL " + latest + " complete", "XGROUP CREATE " + log + " g 0",
		"EXPIRE " + latest + " 1",
	}
	// Of the others, persistence alone says where a stream is read on, and what was erased.
	others := []string{
		"XGROUP SETID " + events + " persistence 0", "GET " + store, "SET " + store + " x", "ZADD " + erasures + " 1 x", "ZRANGE " + erasures + " 0 -1",
		"MEMORY USAGE " + events,
	}
	return map[string][]string{
		"probe": slices.Concat(everybody, readers, others, deaf, []string{
			"GET " + event.PartitionsKey, "HGETALL " + latest, "XADD " + events + " * b x", "CONFIG GET appendfsync", "INFO", "COMMAND",
			"CLIENT ID", "EVAL return(1) 0",
		}),
		"ingest": slices.Concat(everybody, readers, others, deaf, []string{
			"XRANGE " + events + " - +", "XREAD STREAMS " + events + " 0", "XREADGROUP GROUP persistence c STREAMS " + events + " >",
			"XACK " + events + " persistence 1-1", "XTRIM " + events + " MAXLEN 0", "XINFO STREAM " + events, "XLEN " + log,
			"XAUTOCLAIM " + events + " persistence c 0 0", "HGETALL " + events, "DUMP " + events,
			"EVAL return(redis.call('XRANGE','" + events + "','-','+')) 1 " + events,
			"EVAL return(redis.call('HSET','" + latest + "','complete','x')) 1 " + limits,
			"EVAL return(redis.call('HMGET','" + latest + "','complete')) 1 " + latest,
			"HGETALL " + limits, "DEL " + limits, "SET " + limits + " x", "EXPIRE " + limits + " 1", "HSET theeye:limit x y",
		}),
		"persistence": slices.Concat(everybody, readers, []string{
			"XADD " + events + " * b x", "XREADGROUP GROUP g c STREAMS " + log + " >", "XRANGE " + log + " - +",
			"XGROUP SETID " + log + " g 0", "GET " + events, "DEL " + store, "DEL " + erasures, "ZREM " + erasures + " x", "ZADD " + events + " 1 x",
			"EVAL return(redis.call('XADD','" + events + "','*','b','x')) 1 " + events,
			"EVAL return(redis.call('HSET','" + latest + "','complete','x')) 1 " + events,
			"EVAL return(redis.call('XTRIM','" + log + "','MAXLEN','0')) 0",
			"EVAL return(redis.call('GET','" + latest + "')) 1 " + latest, "XREADGROUP GROUP g c STREAMS " + tail + " >",
			"GET " + tail, "SET " + tail + ":copy x", "RENAME " + tail + " other", "RENAME " + events + " " + tail, "UNLINK " + events,
		}),
		"auth": slices.Concat(everybody, others, deaf, []string{
			"XADD " + events + " * b x", "XRANGE " + events + " - +", "XREAD STREAMS " + events + " 0", "XLEN " + events, "XTRIM " + events + " MAXLEN 0",
			"XREADGROUP GROUP persistence c STREAMS " + events + " >", "XACK " + events + " persistence 1-1", "GET " + event.PartitionsKey,
			"SET " + event.PartitionsKey + " 1", "XGROUP CREATE " + events + " g 0", "EXPIRE " + latest + " 1",
			"EVAL return(redis.call('XADD','" + events + "','*','b','x')) 1 " + log,
			"EVAL return(redis.call('XLEN','" + events + "')) 1 " + events,
		}),
	}
}

func TestRedisUsersMayDoNothingElse(t *testing.T) {
	t.Parallel()
	r := newChartRedis(t)
	inspect := r.client(inspector)
	_, err := inspect.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Set(t.Context(), event.PartitionsKey, 1, 0)
		p.HSet(t.Context(), registry.LatestKey, registry.FieldComplete, "test")
		p.XAdd(t.Context(), &redis.XAddArgs{Stream: registry.LogKey, Values: []string{"record", "x"}})
		p.XGroupCreateMkStream(t.Context(), event.StreamKey(0), event.PersistenceGroup, "0")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for user, commands := range refused() {
		client := r.client(user)
		for _, command := range commands {
			var words []any
			for word := range strings.SplitSeq(command, " ") {
				words = append(words, word)
			}
			err := client.Do(t.Context(), words...).Err()
			if err == nil || !strings.Contains(err.Error(), "permission") && !strings.Contains(err.Error(), "can't") {
				t.Errorf("%s: %s: %v", user, command, err)
			}
			if len(r.refusals()) == 0 {
				t.Errorf("%s: %s left no trace in ACL LOG", user, command)
			}
			if err := inspect.Do(t.Context(), "ACL", "LOG", "RESET").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRedisUsersHaveNoDangerousCommand asks Redis itself about each that it calls dangerous or administrative.
func TestRedisUsersHaveNoDangerousCommand(t *testing.T) {
	t.Parallel()
	r := newChartRedis(t)
	inspect := r.client(inspector)
	dangerous := map[string]bool{}
	for _, category := range []string{"dangerous", "admin"} {
		names, err := inspect.Do(t.Context(), "ACL", "CAT", category).StringSlice()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			dangerous[name] = true
		}
	}
	if len(dangerous) < 50 || !dangerous["config|set"] {
		t.Fatalf("Redis calls %d commands dangerous: the test tests nothing", len(dangerous))
	}
	for user, want := range map[string][]string{
		"probe": nil,
		// A service must see settings that lose events; persistence tells how full Redis is, and ingest closes in time.
		"auth": {"config|get"}, "ingest": {"config|get", "info"}, "persistence": {"config|get", "info"},
	} {
		var allowed []string
		for name := range dangerous {
			words := []any{"ACL", "DRYRUN", user}
			for word := range strings.SplitSeq(name, "|") {
				words = append(words, word)
			}
			if answer := dryRun(t, inspect, words); !strings.Contains(answer, "no permissions to run") {
				allowed = append(allowed, name)
			}
		}
		slices.Sort(allowed)
		if !slices.Equal(allowed, want) {
			t.Errorf("%s may %q, want %q", user, allowed, want)
		}
	}
}

// dryRun adds arguments until the command has enough of them, and returns Redis' verdict.
func dryRun(t *testing.T, client *redis.Client, words []any) string {
	t.Helper()
	for range 20 {
		answer, err := client.Do(t.Context(), words...).Text()
		if err == nil {
			return answer
		}
		if !strings.Contains(err.Error(), "wrong number of arguments") {
			t.Fatalf("%v: %v", words, err)
		}
		words = append(words, "1")
	}
	t.Fatalf("%v: no number of arguments is right", words)
	return ""
}

// TestNobodyIsTheDefaultUser who has all rights, because Redis replays its log with them.
func TestNobodyIsTheDefaultUser(t *testing.T) {
	t.Parallel()
	r := newChartRedis(t)
	for password, want := range map[string]string{"": "NOAUTH", "default": "WRONGPASS"} {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + r.port, Username: "default", Password: password, MaxRetries: -1})
		if err := client.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with password %q: %v, want %s", password, err, want)
		}
		_ = client.Close()
	}
}

// TestWhatScriptsWroteOutlivesARestart, for which the default user must have the rights of all others.
func TestWhatScriptsWroteOutlivesARestart(t *testing.T) {
	t.Parallel()
	r := newChartRedis(t)
	const script = "redis.call('XADD', KEYS[1], '*', 'record', 'x') return redis.call('HSET', KEYS[2], 'complete', 'x')"
	if err := r.client("auth").Eval(t.Context(), script, []string{registry.LogKey, registry.LatestKey}).Err(); err != nil {
		t.Fatal(err)
	}
	r.restart()
	complete, err := r.client("ingest").HMGet(t.Context(), registry.LatestKey, registry.FieldComplete).Result()
	if err != nil || complete[0] != "x" {
		t.Errorf("after a restart the log says %v, %v", complete, err)
	}
}

// TestUsersFile: who has no password, or an empty one, gets no users file at all and so no Redis.
func TestUsersFile(t *testing.T) {
	t.Parallel()
	r := newChartRedis(t)
	if info := stat(t, r.path("users.acl")); info.Mode().Perm() != 0o600 {
		t.Errorf("the users file has mode %v", info.Mode())
	}
	for _, password := range []string{"", "another"} {
		writeFiles(t, r.path("passwords"), map[string]string{"ingest": password + "\n"})
		err := try(t, r.users(r.path("users.acl")))
		if (err == nil) != (password != "") {
			t.Errorf("with password %q the start ends with %v", password, err)
		}
	}
	r.restart()
	if err := r.client("ingest").Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("the old password: %v", err)
	}
	r.passwords["ingest"] = "another"
	if err := r.client("ingest").Ping(t.Context()).Err(); err != nil {
		t.Errorf("the new password: %v", err)
	}
}
