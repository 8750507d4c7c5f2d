package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/theeye-dev/theeye/services/persistence"
)

// ranked is how many applications the overview lists: nobody reads more of them there.
const ranked = 100

// activity is an application's row.
type activity struct {
	UID    string
	Counts []int64 // by outcomes(); nil: they are not known
	Sum    int64
}

// ranking has the busiest applications, or, where they cannot be counted, the first that somebody may read.
type ranking struct {
	Applications []activity
	More         int      // that are left out
	Unranked     *refusal // why there are no counts; nil: there are
	counts       []persistence.Count
}

// count asks for the whole time at once. Where there are too many applications for that it asks for one outcome after the
// other, which are answers of a fifth of the size.
func (r *ranking) count(v *visit, asked url.Values) (err error) {
	asked.Set("bucket", "all")
	asked.Set("by", "application,outcome")
	if err = r.add(v, asked); err != nil || r.Unranked == nil || r.Unranked.Status != http.StatusBadRequest {
		return err
	}
	r.Unranked = nil
	for _, outcome := range outcomes() {
		asked.Set("outcome", outcome)
		if err = r.add(v, asked); err != nil || r.Unranked != nil {
			return err
		}
	}
	return nil
}

// add asks for some of the counts.
func (r *ranking) add(v *visit, asked url.Values) (err error) {
	var answer persistence.Stats
	r.Unranked, err = part(v.get("/v1/stats", asked, &answer))
	r.counts = append(r.counts, answer.Counts...)
	return err
}

// rank sums up by application, the busiest first.
func (r *ranking) rank(who *access) {
	at := map[string]int{}
	row := func(uid string) *activity {
		i, ok := at[uid]
		if !ok {
			i, at[uid] = len(r.Applications), len(r.Applications)
			r.Applications = append(r.Applications, activity{UID: uid})
		}
		return &r.Applications[i]
	}
	for _, m := range who.Applications {
		row(m.UID)
	}
	if r.Unranked == nil {
		for _, one := range r.counts {
			row(one.Application.String()).count(one)
		}
		for i := range r.Applications {
			r.Applications[i].fill()
		}
		slices.SortStableFunc(r.Applications, func(a, b activity) int { return cmp.Or(cmp.Compare(b.Sum, a.Sum), strings.Compare(a.UID, b.UID)) })
	}
	if n := len(r.Applications); n > ranked {
		r.Applications, r.More = r.Applications[:ranked], n-ranked
	}
}

// fill makes room for the counts of an application, of which nothing may have come.
func (a *activity) fill() {
	if a.Counts == nil {
		a.Counts = make([]int64, len(outcomes()))
	}
}

func (a *activity) count(one persistence.Count) {
	a.fill()
	if i := slices.Index(outcomes(), string(one.Outcome)); i >= 0 {
		a.Counts[i] += one.Events
		a.Sum += one.Events
	}
}
