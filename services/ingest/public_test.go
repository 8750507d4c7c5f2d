package ingest_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

const page = "https://shop.example.com"

// fromPages is the policy of an application that web pages post to.
func fromPages(origins ...string) registry.Policy { return registry.Policy{Origins: origins} }

func basicAlone(clientID string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID+":"))
}

// TestPublic holds who may post with a client id alone, and what is appended of it.
func TestPublic(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	shop := d.register(nextUID(), fromPages("http://localhost:3000", page))
	other := d.register(nextUID(), fromPages("https://other.example"))
	none := d.register(nextUID(), registry.Policy{})
	suspended := d.register(nextUID(), registry.Policy{Origins: []string{page}, Suspended: true})
	stranger := apikey.ClientID(nextUID())
	id := "?key=" + shop.ClientID
	origin := []string{"Origin", page}
	cases := map[string]struct {
		query  string
		header []string
		status int
		code   string
		detail string
	}{
		"key":                    {id, origin, 202, "", ""},
		"key, another origin":    {id, []string{"Origin", "http://localhost:3000"}, 202, "", ""},
		"key among others":       {"?a=b&%zz&key=" + shop.ClientID + "&KEY=x", origin, 202, "", ""},
		"basic":                  {"", append([]string{"Authorization", basicAlone(shop.ClientID)}, origin...), 202, "", ""},
		"foreign origin":         {id, []string{"Origin", "https://evil.example"}, 403, "origin.forbidden", `"https://evil.example" (spec.origins)`},
		"another's origin":       {id, []string{"Origin", "https://other.example"}, 403, "origin.forbidden", "other.example"},
		"no origins at all":      {"?key=" + none.ClientID, origin, 403, "origin.forbidden", "shop.example.com"},
		"null":                   {id, []string{"Origin", "null"}, 403, "origin.forbidden", `"null"`},
		"empty origin":           {id, []string{"Origin", ""}, 403, "origin.forbidden", ""},
		"upper case":             {id, []string{"Origin", "https://Shop.example.com"}, 403, "origin.forbidden", ""},
		"trailing slash":         {id, []string{"Origin", page + "/"}, 403, "origin.forbidden", ""},
		"default port":           {id, []string{"Origin", page + ":443"}, 403, "origin.forbidden", ""},
		"other scheme":           {id, []string{"Origin", "http://shop.example.com"}, 403, "origin.forbidden", ""},
		"subdomain":              {id, []string{"Origin", "https://a.shop.example.com"}, 403, "origin.forbidden", ""},
		"longer":                 {id, []string{"Origin", page + ".evil.example"}, 403, "origin.forbidden", ""},
		"two in one header":      {id, []string{"Origin", page + " " + page}, 403, "origin.forbidden", ""},
		"list in one header":     {id, []string{"Origin", page + ", " + page}, 403, "origin.forbidden", ""},
		"two headers":            {id, append([]string{"Origin", "https://evil.example"}, origin...), 403, "origin.forbidden", "more than one"},
		"the same header twice":  {id, append(origin, origin...), 403, "origin.forbidden", "more than one"},
		"very long origin":       {id, []string{"Origin", strings.Repeat("x", 9000)}, 403, "origin.forbidden", "does not list this origin"},
		"no origin":              {id, nil, 403, "origin.forbidden", "has no Origin; send the client secret"},
		"no origin, basic":       {"", []string{"Authorization", basicAlone(shop.ClientID)}, 403, "origin.forbidden", "send the client secret"},
		"only a referer":         {id, []string{"Referer", page + "/"}, 403, "origin.forbidden", "no Origin"},
		"suspended":              {"?key=" + suspended.ClientID, origin, 403, "application.suspended", ""},
		"suspended, foreign":     {"?key=" + suspended.ClientID, []string{"Origin", "https://evil.example"}, 403, "origin.forbidden", ""},
		"unknown":                {"?key=" + stranger, origin, 401, "credential.invalid", "unknown"},
		"unknown, basic":         {"", append([]string{"Authorization", basicAlone(stranger)}, origin...), 401, "credential.invalid", "unknown"},
		"twice":                  {id + "&key=" + shop.ClientID, origin, 401, "credential.invalid", "more than once"},
		"with a secret, too":     {id, append([]string{"Authorization", "Bearer " + shop.key}, origin...), 401, "credential.invalid", "not both"},
		"with basic, too":        {id, append([]string{"Authorization", basicAlone(shop.ClientID)}, origin...), 401, "credential.invalid", "not both"},
		"empty":                  {"?key=", origin, 401, "credential.invalid", "must be a client id"},
		"undecodable":            {"?key=%zz", origin, 401, "credential.invalid", "send Authorization"},
		"upper case id":          {"?key=" + strings.ToUpper(shop.ClientID), origin, 401, "credential.invalid", "must be a client id"},
		"a secret in the URL":    {"?key=" + url.QueryEscape(shop.key), origin, 401, "credential.invalid", "replace it"},
		"a secret as user":       {"", append([]string{"Authorization", basicAlone(shop.key)}, origin...), 401, "credential.invalid", "mistyped"},
		"two authorizations":     {"", append([]string{"Authorization", basicAlone(shop.ClientID), "Authorization", basicAlone(shop.ClientID)}, origin...), 401, "credential.invalid", "more than one"},
		"secret, foreign origin": {"", []string{"Authorization", "Bearer " + other.key, "Origin", page}, 202, "", ""},
	}
	t.Run("cases", func(t *testing.T) { // ends when all of them have
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				d := &door{T: t, client: d.client, url: d.url}
				got := d.send(http.MethodPost, "/v1/events"+c.query, strings.NewReader(good), append(c.header, "Content-Type", "text/plain;charset=UTF-8")...)
				if got.status != c.status || got.Code != c.code || !strings.Contains(got.Detail, c.detail) {
					t.Errorf("answered %d %s", got.status, got.body)
				}
				if strings.Contains(string(got.body), shop.key) {
					t.Errorf("the answer tells the secret: %s", got.body)
				}
			})
		}
	})
	credentials := map[string]int{}
	for _, a := range []application{shop, none, suspended} {
		for _, r := range d.appended(a.UID) {
			credentials[r.Credential]++
		}
	}
	if diff := cmp.Diff(map[string]int{"": 4}, credentials); diff != "" {
		t.Errorf("requests appended by credential (-want +got):\n%s", diff)
	}
}

// TestPublicOfAnApplicationThatIsDeleted is answered as an id that never was.
func TestPublicOfAnApplicationThatIsDeleted(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	shop := d.register(nextUID(), fromPages(page))
	deleted := shop.Application
	deleted.Deleted = true
	d.log.publish(deleted)
	d.eventually(func() bool { return d.keys.Application(shop.UID.String()) == nil })
	gone := d.send(http.MethodPost, "/v1/events?key="+shop.ClientID, strings.NewReader(good), "Origin", page)
	never := d.send(http.MethodPost, "/v1/events?key="+apikey.ClientID(nextUID()), strings.NewReader(good), "Origin", page)
	if gone.status != http.StatusUnauthorized || string(gone.body) != string(never.body) {
		t.Errorf("answered %d %s and %d %s", gone.status, gone.body, never.status, never.body)
	}
}

// TestPublicIDs are apart from those of the application's own events: what a page sends, and what is made of an
// Idempotency-Key.
func TestPublicIDs(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	shop := d.register(nextUID(), fromPages(page))
	body := "[" + with(`"id":"order-1"`) + "," + good + "]"
	as := func(path string, header ...string) (ids []string) {
		got := d.send(http.MethodPost, path, strings.NewReader(body), append(header, "Idempotency-Key", "k")...)
		if got.status != http.StatusAccepted {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		for _, e := range got.Events {
			ids = append(ids, e.ID)
		}
		return ids
	}
	own := as("/v1/events", "Authorization", "Bearer "+shop.key)
	public := as("/v1/events?key="+shop.ClientID, "Origin", page)
	if diff := cmp.Diff([]string{"public:" + own[0], "public:" + own[1]}, public); diff != "" || own[0] != "order-1" {
		t.Errorf("own %q, public (-want +got):\n%s", own, diff)
	}
}

// TestPublicIDsAreReserved: an application's own event has none of them, which a stranger's could have, too; what a page
// sends may begin as it likes, for it gets another beginning.
func TestPublicIDsAreReserved(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	shop := d.register(nextUID(), fromPages(page))
	body := "[" + with(`"id":"public:order-1"`) + "," + with(`"id":"public-order-1"`) + "]"
	got := d.post(shop, body)
	if diff := cmp.Diff([]string{"id.conflict/id", "accepted"}, got.verdicts()); diff != "" || got.Events[0].ID != "public:order-1" ||
		!strings.Contains(got.Events[0].Detail, "public:") {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if diff := cmp.Diff([]string{"id.conflict/id", "accepted"}, items(d.appended(shop.UID))); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
	got = d.send(http.MethodPost, "/v1/events?key="+shop.ClientID, strings.NewReader(with(`"id":"public:order-1"`)), "Origin", page)
	if got.status != http.StatusAccepted || got.Events[0].ID != "public:public:order-1" {
		t.Errorf("a page is answered %d %s", got.status, got.body)
	}
}
