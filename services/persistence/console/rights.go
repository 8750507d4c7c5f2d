package console

import (
	"net/url"
	"slices"
)

// What somebody may do decides what a page offers, and nothing else: the API decides what is done. So what is not known is
// offered, and a refusal says what is missing.

// may tells whether somebody has a right for one application; "": for what belongs to none that is known.
func (a *access) may(verb, uid string) bool {
	if a == nil || a.Kind == "admin" {
		return a != nil
	}
	if uid != "" && slices.Contains(a.Unlisted, verb) {
		return true
	}
	for _, m := range a.Applications {
		if m.UID == uid {
			return slices.Contains(m.Verbs, verb)
		}
	}
	return a.everything(verb) || a.Partial && uid != ""
}

// everything tells whether somebody has a right also for what no listed application has: what is unknown, or deleted. That
// much is said of reading alone; for another verb those that are listed stand for all.
func (a *access) everything(verb string) bool {
	if a == nil || a.Kind == "admin" {
		return a != nil
	}
	if slices.Contains(a.Unlisted, verb) { // it is of verbs that are not allowed everywhere
		return false
	}
	return a.All && !slices.ContainsFunc(a.Applications, func(m member) bool { return !slices.Contains(m.Verbs, verb) })
}

// somewhere tells whether somebody has a right for any application.
func (a *access) somewhere(verb string) bool {
	if a != nil && slices.Contains(a.Unlisted, verb) {
		return true
	}
	return a.everything(verb) || a != nil && slices.ContainsFunc(a.Applications, func(m member) bool { return slices.Contains(m.Verbs, verb) })
}

// asking tells whether somebody may do it with what a question finds that names an application, or none. An application's
// own credential asks about that one in any case; people who may not do it everywhere have to say where.
func (a *access) asking(verb, reference string) bool {
	switch {
	case a == nil:
		return false
	case reference != "":
		return a.may(verb, a.uid(reference))
	case a.Kind == "application":
		return a.somewhere(verb)
	}
	return a.everything(verb)
}

// uid finds the application of a reference, which is its UID or namespace/name.
func (a *access) uid(reference string) string {
	for _, m := range a.Applications {
		if m.Name != "" && m.Namespace+"/"+m.Name == reference {
			return m.UID
		}
	}
	return reference
}

// about finds out about one application what the list of all does not say: which rights somebody has by its name. Where that
// cannot be told the page offers what the list does: it was asked for by itself, and what is wrong with it is told there.
func (v *visit) about(reference string, verbs ...string) {
	all := !slices.ContainsFunc(verbs, func(verb string) bool { return !v.who.asking(verb, reference) })
	if reference == "" || v.who.Kind != "kubernetes" || all {
		return
	}
	one := &access{}
	if v.get("/v1/access", url.Values{"application": {reference}}, one) == nil {
		v.who.learn(one.Applications)
	}
}

// learn takes in what is known better than from the list.
func (a *access) learn(better []member) {
	for _, m := range better {
		a.Applications = append(slices.DeleteFunc(a.Applications, func(old member) bool { return old.UID == m.UID }), m)
	}
}
