package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// question is what the form of a page asks for, and what is wrong with that.
type question struct {
	Filter filter
	Who    *access
	Form   []field
	Refuse *refusal // nil: nothing is wrong
}

// ask reads an answer. A refusal is shown by the page that has the form, which can be mended, with its status: whoever
// reads the status alone learns of it, too. Only who is nobody any more is sent to log in.
func (q *question) ask(v *visit, path string, asked url.Values, into any) error {
	if q.Refuse = q.Filter.wrong; q.Refuse != nil {
		q.Refuse.tell(v.w.Header())
		return nil //nolint:nilerr // the page shows it
	}
	err := v.get(path, asked, into)
	if err == nil {
		v.about(q.Filter.Get("application"), "list")
	}
	r, ok := err.(*refusal) //nolint:errorlint // get wraps nothing
	if !ok || r.Code == fault.CodeUnauthenticated {
		return err
	}
	q.Refuse = r
	r.tell(v.w.Header())
	return nil
}

// status of the page.
func (q *question) status() int {
	if q.Refuse != nil {
		return q.Refuse.Status
	}
	return http.StatusOK
}

// after a page that is refused comes the same once more, where that may help, and else the first.
func (q question) after(v *visit, path string) string {
	if q.Refuse.Passes() {
		return v.r.URL.RequestURI()
	}
	return q.Filter.Link(path, "cursor", "")
}

// field of a form.
type field struct {
	Name, Label, Value, Placeholder, List string
	Time                                  bool
	Options                               []option // of a select; nil: it is none
	Wrong                                 string   // what is wrong with it; "": nothing
}

// option of a select.
type option struct {
	Value, Text string
	Selected    bool
}

// wrong tells what is wrong with a parameter.
func (q question) wrong(name string) string {
	if q.Refuse == nil || name == "" || q.Refuse.Parameter != name {
		return ""
	}
	return q.Refuse.Detail
}

// Field for a text.
func (q question) Field(name, label, placeholder string) field {
	return field{Name: name, Label: label, Value: q.Filter.Get(name), Placeholder: placeholder, Wrong: q.wrong(name)}
}

// Application is the field for one of those that somebody may read.
func (q question) Application() field {
	f := q.Field("application", "Application", "namespace/name")
	if q.Who != nil && len(q.Who.Applications) > 0 {
		f.List, f.Placeholder = "applications", "all"
	}
	return f
}

// TimeField for a time. What is none is shown as the text that it is.
func (q question) TimeField(name, label string) field {
	f := q.Field(name, label, "")
	if shown := inputTime(f.Value); shown != "" || f.Value == "" {
		f.Value, f.Time = shown, true
	} else if f.Wrong != "" { // the API's words are for whoever writes addresses
		f.Wrong = "This is no time. Write it as 2026-05-04 12:00, in UTC."
	}
	return f
}

// Select is the field for one of some values, beside the first, which is any. What is none of them is shown, too.
func (q question) Select(name, label, whichever string, values ...string) field {
	f := q.Field(name, label, "")
	f.Options = []option{{Text: whichever}}
	if f.Value != "" && !slices.Contains(values, f.Value) {
		values = append(values, f.Value)
	}
	for _, value := range values {
		f.Options = append(f.Options, option{value, value, value == f.Value})
	}
	return f
}

// Condition is the field of one on data: what is wrong with it.
func (q question) Condition(c condition) string {
	wrong := q.wrong(c.Name)
	switch {
	case wrong == "":
	case c.Path == "":
		return "The path is missing."
	case c.Value == "":
		return "The value is missing."
	}
	return wrong
}

// refused is what a page says of what is wrong: the field that shows it, or the whole of it.
type refused struct {
	Refuse        *refusal
	Field, Called string // "": no field shows it
	On            *link  // how to go on, where mending a field is not how
}

// Refused finds out which it is.
func (q question) Refused(path string) refused {
	r := refused{Refuse: q.Refuse}
	for _, f := range q.Form {
		if f.Wrong != "" {
			r.Field, r.Called = f.Name, f.Label
		}
	}
	if slices.ContainsFunc(q.Filter.Conditions(), func(c condition) bool { return q.Condition(c) != "" }) {
		r.Field, r.Called = "condition", "Values in data"
	}
	switch {
	case r.Refuse == nil:
	case q.Refuse.Parameter == "cursor" || q.Filter.Get("cursor") != "" && q.Refuse.Code == fault.CodeParameter:
		r.On = &link{q.Filter.Link(path, "cursor", ""), "From the first page"}
	case q.Refuse.Passes():
		r.On = &link{q.Filter.Link(path), "Try again"}
	case r.Field == "" && q.Refuse.Parameter != "":
		r.On = &link{q.Filter.Link(path, q.Refuse.Parameter, ""), "Without it"}
	}
	return r
}
