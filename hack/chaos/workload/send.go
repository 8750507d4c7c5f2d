package workload

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// request is what one client sends once.
type request struct {
	app        *application
	credential credential
	door       Door
	reason     history.Reason
	items      []history.Item
	key        string // Idempotency-Key: the items have no ids of their own in their texts
	lines      bool   // NDJSON instead of an array
	gzip       bool
	malformed  bool
}

// form is for the history.
func (r request) form() string {
	form := "json"
	if r.lines {
		form = "ndjson"
	}
	if r.gzip {
		form += " gzip"
	}
	return form
}

// send writes the intent down, sends, and writes the outcome down. It is not cut short by the end of a run: a request in
// hand gets its answer or its time-out.
func (w *Workload) send(r request) history.Outcome {
	intent := &history.Intent{
		Send: w.sends.Add(1), At: w.options.Now(), Application: r.app.uid.String(), Credential: r.credential.id, Via: r.door.Name,
		Reason: r.reason, Items: r.items, Malformed: r.malformed, IdempotencyKey: r.key, Form: r.form(),
	}
	if !w.write(history.Line{Intent: intent}) {
		return history.Outcome{}
	}
	o := w.post(r)
	o.Send, o.At = intent.Send, w.options.Now()
	w.write(history.Line{Outcome: &o})
	if o.Status == http.StatusAccepted {
		for _, v := range o.Verdicts {
			if v.Code == "" {
				w.acked.Add(1)
			}
		}
	}
	return o
}

func (w *Workload) post(r request) history.Outcome {
	text, err := r.body()
	if err != nil {
		return history.Outcome{Error: err.Error()}
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.door.URL+"/v1/events", bytes.NewReader(text))
	if err != nil {
		return history.Outcome{Error: err.Error()}
	}
	r.header(request.Header)
	response, err := w.client.Do(request)
	if err != nil {
		return history.Outcome{Error: err.Error()}
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err = io.ReadAll(response.Body)
	if err != nil {
		return history.Outcome{Error: err.Error()} // half an answer is none
	}
	return read(response.StatusCode, text)
}

func (r request) header(h http.Header) {
	h.Set("Authorization", "Bearer "+r.credential.key)
	h.Set("Content-Type", "application/json")
	if r.lines {
		h.Set("Content-Type", "application/x-ndjson")
	}
	if r.gzip {
		h.Set("Content-Encoding", "gzip")
	}
	if r.key != "" {
		h.Set("Idempotency-Key", r.key)
	}
}

// body is the items in their form: one event alone, an array, or a line for each.
func (r request) body() ([]byte, error) {
	var b bytes.Buffer
	for i, item := range r.items {
		if !r.lines && len(r.items) > 1 {
			b.WriteByte("[,"[min(i, 1)])
		}
		b.WriteString(item.Original())
		if r.lines {
			b.WriteByte('\n')
		}
	}
	if !r.lines && len(r.items) > 1 {
		b.WriteByte(']')
	}
	if !r.gzip {
		return b.Bytes(), nil
	}
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write(b.Bytes())
	if err := errors.Join(err, writer.Close()); err != nil {
		return nil, fmt.Errorf("compress body: %w", err)
	}
	return packed.Bytes(), nil
}

// read reads an answer.
func read(status int, text []byte) history.Outcome {
	var answer struct {
		Code   string `json:"code"`
		Events []struct {
			ID   string `json:"id"`
			Code string `json:"code"`
		} `json:"events"`
	}
	o := history.Outcome{Status: status}
	if err := json.Unmarshal(text, &answer); err != nil {
		o.Error = fmt.Sprintf("%v in %.200s", err, text)
	}
	o.Code = answer.Code
	for _, e := range answer.Events {
		o.Verdicts = append(o.Verdicts, history.Verdict{ID: e.ID, Code: e.Code})
	}
	return o
}
