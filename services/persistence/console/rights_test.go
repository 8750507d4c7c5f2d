package console

import "testing"

// TestWhatIsOffered: what somebody may not do is not offered; what is not known is.
func TestWhatIsOffered(t *testing.T) {
	t.Parallel()
	reads, changes := []string{"get", "list", "watch"}, []string{"get", "list", "watch", "update", "delete"}
	shop := member{UID: "1", Namespace: "shop", Name: "web-shop"}
	with := func(verbs []string) []member { m := shop; m.Verbs = verbs; return []member{m} }
	for name, c := range map[string]struct {
		who                                   *access
		own, unknown, named, unnamed, reading bool // update of the shop, of what is gone, by a filter with shop/web-shop, by one without; and to list by the last
	}{
		"nobody":                       {nil, false, false, false, false, false},
		"the admin token":              {&access{Kind: "admin"}, true, true, true, true, true},
		"who may do everything":        {&access{Kind: "kubernetes", All: true, Applications: with(changes)}, true, true, true, true, true},
		"who may do it, there is none": {&access{Kind: "kubernetes", All: true}, true, true, true, true, true},
		"who reads everything":         {&access{Kind: "kubernetes", All: true, Applications: with(reads)}, false, false, false, false, true},
		"who changes one":              {&access{Kind: "kubernetes", Applications: with(changes)}, true, false, true, false, false},
		"who reads one":                {&access{Kind: "kubernetes", Applications: with(reads)}, false, false, false, false, false},
		"an application":               {&access{Kind: "application", Applications: with(reads)}, false, false, false, false, true},
		"of whom it is not told":       {&access{Kind: "kubernetes", All: true, Unlisted: []string{"update"}, Applications: with(reads)}, true, true, true, false, true},
		"who may more than is listed":  {&access{Kind: "kubernetes", Partial: true, Applications: with(changes)}, true, true, true, false, false},
	} {
		for what, got := range map[string][2]bool{
			"its own": {c.who.may("update", "1"), c.own}, "what is gone": {c.who.may("update", "2"), c.unknown},
			"by name": {c.who.asking("update", "shop/web-shop"), c.named}, "all": {c.who.asking("update", ""), c.unnamed}, "to try all": {c.who.asking("list", ""), c.reading},
		} {
			if got[0] != got[1] {
				t.Errorf("%s, %s: offered %t, want %t", name, what, got[0], got[1])
			}
		}
		if everything := c.who.may("update", ""); everything != (c.unknown && c.unnamed) {
			t.Errorf("%s, of no known application: offered %t", name, everything)
		}
	}
}

// TestWhatIsUnlisted of a verb: nobody has found out, and the API decides when it is asked.
func TestWhatIsUnlisted(t *testing.T) {
	t.Parallel()
	who := &access{Kind: "kubernetes", Unlisted: []string{"update"}, Applications: []member{{UID: "a", Verbs: []string{"get", "list"}}}}
	for verb, want := range map[string][3]bool{
		"get": {true, true, false}, "update": {true, true, true}, "delete": {false, false, false},
	} {
		if got := [3]bool{who.somewhere(verb), who.may(verb, "a"), who.may(verb, "b")}; got != want {
			t.Errorf("%s is offered somewhere, for one that is listed and for another: %v, want %v", verb, got, want)
		}
	}
}
