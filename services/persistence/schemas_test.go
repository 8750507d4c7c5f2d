package persistence

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

func digestOf(schema string) string {
	digest := sha256.Sum256([]byte(schema))
	return hex.EncodeToString(digest[:])
}

// against is an event that a schema refused, as ingest records it.
func against(schema, id string) event.Item {
	i := mismatched(id, "s", numeric)
	digest := event.SchemaDigest(sha256.Sum256([]byte(schema)))
	i.Refusal.Schema = &digest
	return i
}

// TestSchemaThatRefused: a Failure shows the schema that refused it, also when the policy has another one by then, and
// whether it is today's; one that nobody has seen is named by its digest alone.
func TestSchemaThatRefused(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	schemas := NewSchemas(l.store, l.ring, time.Now, slog.New(slog.DiscardHandler))
	l.run(schemas.Run)
	l.declare(l.redis, shop, "web-shop", 2, declared(strict))
	known := func(n int) func() bool {
		return func() bool { return l.count("SELECT count(*) FROM persistence.schemas") == n }
	}
	l.eventually("the schema is kept", known(1))
	ids := l.refuse(shop, against(strict, "a"), against(`{"type":"never seen"}`, "b"), refused("{}", "field.missing"))
	show := func(id uuid.UUID) (f Failure) {
		l.get(shop, "/v1/failures/"+id.String(), &f)
		return f
	}
	if f := show(ids[0]); f.SchemaDigest != digestOf(strict) || string(f.Schema) != strict || f.SchemaCurrent == nil || !*f.SchemaCurrent {
		t.Errorf("of today's schema: %+v, %s", f, f.Schema)
	}
	l.declare(l.redis, shop, "web-shop", 3, declared(lax))
	l.eventually("the next one is kept", known(2))
	if f := show(ids[0]); f.SchemaDigest != digestOf(strict) || string(f.Schema) != strict || f.SchemaCurrent == nil || *f.SchemaCurrent {
		t.Errorf("of an earlier schema: %+v, %s", f, f.Schema)
	}
	if f := show(ids[1]); f.SchemaDigest != digestOf(`{"type":"never seen"}`) || f.Schema != nil || f.SchemaCurrent == nil || *f.SchemaCurrent {
		t.Errorf("of a schema that nobody has seen: %+v, %s", f, f.Schema)
	}
	if f := show(ids[2]); f.SchemaDigest != "" || f.Schema != nil || f.SchemaCurrent != nil {
		t.Errorf("of no schema: %+v", f)
	}
	var page FailurePage
	l.get(shop, "/v1/failures?code=schema.mismatch", &page)
	for _, f := range page.Failures {
		if f.SchemaDigest == "" || f.Schema != nil {
			t.Errorf("in a list: %+v", f)
		}
	}
}

// TestSchemasAreForgotten when neither a policy nor a Failure has named them for as long as a stream may bring one.
func TestSchemasAreForgotten(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	now := time.Now()
	schemas := NewSchemas(l.store, l.ring, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	round := func() {
		t.Helper()
		_, err := schemas.round(t.Context(), map[event.SchemaDigest]bool{}, true)
		l.must(err)
	}
	stored := func() []string {
		return sorted(append([]string{}, l.lines("SELECT encode(digest, 'hex') FROM persistence.schemas")...))
	}
	const third = `{"type":"object"}`
	large := registry.EventType{Category: "page", Name: "large", Schema: registry.Schema(`{"description":"` + string(make([]byte, 0)) + `"}`)}
	policy := declared(strict)
	policy.EventTypes = append(policy.EventTypes, large, registry.EventType{Category: "page", Name: "same", Schema: registry.Schema(strict)},
		registry.EventType{Category: "page", Name: "third", Schema: registry.Schema(third)})
	l.declare(l.redis, shop, "web-shop", 2, policy)
	round()
	round()
	l.same("all", sorted([]string{digestOf(strict), digestOf(string(large.Schema)), digestOf(third)}), stored())
	l.refuse(shop, against(strict, "a"))
	l.declare(l.redis, shop, "web-shop", 3, declared(lax))
	now = now.Add(schemasKept - time.Hour)
	round()
	l.same("within the week", 4, len(stored()))
	now = now.Add(2 * time.Hour)
	round()
	l.same("after it", sorted([]string{digestOf(strict), digestOf(lax)}), stored())
	now = now.Add(3 * schemasKept)
	round()
	l.same("what is declared or named stays", sorted([]string{digestOf(strict), digestOf(lax)}), stored())
	l.erase(shop)
	round()
	l.same("after an erasure", []string{digestOf(lax)}, stored())
}
