package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
)

// recorder keeps an answer. The API bounds them: a page ends behind 8 MiB.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
	first  func() // is called with the first byte of a success; nil: nothing is
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	if r.first != nil && r.success() {
		r.first()
	}
	return r.body.Write(b) //nolint:wrapcheck // it never fails
}

func (r *recorder) success() bool { return r.status/100 == 2 }

// refusal reads the problem of an answer that is no success.
func (r *recorder) refusal() error {
	refused := &refusal{}
	if err := json.Unmarshal(r.body.Bytes(), &refused.Problem); err != nil {
		return fmt.Errorf("the api answers %d without a problem", r.status)
	}
	refused.Status, refused.wait = r.status, r.header.Get("Retry-After")
	return refused
}

// passing passes on a success, and keeps what is none.
type passing struct {
	*recorder
	to http.ResponseWriter
}

func (p *passing) WriteHeader(status int) {
	if p.wrote {
		return
	}
	if p.recorder.WriteHeader(status); p.success() {
		maps.Copy(p.to.Header(), p.header)
		p.to.WriteHeader(status)
	}
}

func (p *passing) Write(b []byte) (int, error) {
	if p.WriteHeader(http.StatusOK); p.success() {
		if p.first != nil {
			_ = http.NewResponseController(p.to).Flush() // what is cut off has its header
			p.first()
		}
		return p.to.Write(b) //nolint:wrapcheck // as if it were not between
	}
	return p.recorder.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (p *passing) Unwrap() http.ResponseWriter { return p.to }
