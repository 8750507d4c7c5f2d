package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// TestCorrection has clients whose clocks are wrong, and tells when their events occurred by ours.
func TestCorrection(t *testing.T) {
	t.Parallel()
	arrived := received.Add(-2 * time.Second) // the body took two seconds
	long := 290 * 8766 * time.Hour            // almost all that a Duration holds
	for name, tt := range map[string]struct {
		sentAt    time.Duration // beside the arrival
		timestamp time.Duration // beside sent_at
		want      time.Duration // beside the arrival
		code      event.Code
		says      string
	}{
		"a right clock":              {0, -time.Minute, -time.Minute, "", ""},
		"a little behind":            {-10 * time.Second, 0, -10 * time.Second, "", ""},
		"a little ahead":             {10 * time.Second, 0, 10 * time.Second, "", ""},
		"behind":                     {-10*time.Second - time.Microsecond, 0, 0, "", ""},
		"ahead":                      {10*time.Second + time.Microsecond, 0, 0, "", ""},
		"behind, some events ago":    {-time.Hour, -time.Minute, -time.Minute, "", ""},
		"ahead by more than may be":  {time.Hour, -time.Minute, -time.Minute, "", ""},
		"behind by more than may be": {-9000 * time.Hour, -167 * time.Hour, -167 * time.Hour, "", ""},
		"as if it were 1970":         {-56 * 8766 * time.Hour, -time.Second, -time.Second, "", ""},
		"beyond any Duration":        {-long, -time.Second, -time.Second, "", ""},
		"later than it was sent":     {-time.Hour, 4 * time.Minute, 4 * time.Minute, "", ""},
		"too late even so":           {-time.Hour, 6 * time.Minute, 6 * time.Minute, event.CodeInFuture, "timestamp, corrected by sent_at to 2026-05-04T03:07:59.000000Z, is 5m58s after its receipt"},
		"too old even so":            {time.Hour, -169 * time.Hour, -169 * time.Hour, event.CodeTooOld, "timestamp, corrected by sent_at to 2026-04-27T02:01:59.000000Z, is 169h0m2s before its receipt"},
		"too old, not corrected":     {0, -169 * time.Hour, -169 * time.Hour, event.CodeTooOld, "timestamp is 169h0m2s before its receipt"},
		"of another age":             {0, -long, -long, event.CodeTooOld, "before its receipt"},
	} {
		e := event.Event{SentAt: arrived.Add(tt.sentAt)}
		e.Timestamp = e.SentAt.Add(tt.timestamp)
		occurred, refusal := judge(&registry.Policy{}).Event(&e, arrived, received)
		if want := arrived.Add(tt.want); !occurred.Equal(want) {
			t.Errorf("%s: occurred at %s, want %s", name, occurred, want)
		}
		switch {
		case tt.code == "" && refusal != nil:
			t.Errorf("%s: refused: %+v", name, refusal)
		case tt.code != "" && (refusal == nil || refusal.Code != tt.code || refusal.Pointer != "/timestamp" || !strings.Contains(refusal.Detail, tt.says)):
			t.Errorf("%s: got %+v", name, refusal)
		}
	}
}

// TestSentAtAlone: without a timestamp an event occurred when it was received, whatever the client's clock says.
func TestSentAtAlone(t *testing.T) {
	t.Parallel()
	e := event.Event{SentAt: received.Add(-48 * time.Hour)}
	if occurred, refusal := judge(&registry.Policy{}).Event(&e, received.Add(-time.Second), received); !occurred.Equal(received) || refusal != nil {
		t.Errorf("occurred at %s, refusal %+v", occurred, refusal)
	}
}

// TestTimePointer: a CloudEvent has its timestamp elsewhere.
func TestTimePointer(t *testing.T) {
	t.Parallel()
	for _, years := range []int{-1, 1} {
		e := event.Event{Format: event.CloudEvent, Timestamp: received.AddDate(years, 0, 0)}
		if _, refusal := judge(&registry.Policy{}).Event(&e, received, received); refusal == nil || refusal.Pointer != "/time" {
			t.Errorf("%d years: %+v", years, refusal)
		}
	}
}

// TestTriesKeepTheirPlaces sends two batches of a client whose clock is right, each again and again, over ways that are
// not equally long: what happened first stays first.
func TestTriesKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	j := judge(&registry.Policy{})
	for _, ways := range [][2]time.Duration{{0, 0}, {9 * time.Second, 0}, {0, 9 * time.Second}, {5 * time.Second, 10 * time.Second}} {
		var occurred [2]time.Time
		for i, way := range ways {
			sentAt := received.Add(-way)
			e := event.Event{Timestamp: received.Add(time.Duration(i)*time.Millisecond - time.Minute), SentAt: sentAt}
			occurred[i], _ = j.Event(&e, received, received)
		}
		if occurred[1].Sub(occurred[0]) != time.Millisecond {
			t.Errorf("after %s and %s: %s and %s", ways[0], ways[1], occurred[0], occurred[1])
		}
	}
}
