package workload

import (
	"bytes"
	"context"
	"encoding/json"
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
	malformed  bool
}

// send writes the intent down, sends, and writes the outcome down. It is not cut short by the end of a run: a request in
// hand gets its answer or its time-out.
func (w *Workload) send(r request) history.Outcome {
	intent := &history.Intent{
		Send: w.sends.Add(1), At: w.options.Now(), Application: r.app.uid.String(), Credential: r.credential.id, Via: r.door.Name,
		Reason: r.reason, Items: r.items, Malformed: r.malformed,
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
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.door.URL+"/v1/events", bytes.NewReader(body(r.items)))
	if err != nil {
		return history.Outcome{Error: err.Error()}
	}
	request.Header.Set("Authorization", "Bearer "+r.credential.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		return history.Outcome{Error: err.Error()}
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return history.Outcome{Error: err.Error()} // half an answer is none
	}
	return read(response.StatusCode, text)
}

// body is one event alone, or an array.
func body(items []history.Item) []byte {
	if len(items) == 1 {
		return []byte(items[0].Original())
	}
	var b bytes.Buffer
	for i, item := range items {
		b.WriteByte("[,"[min(i, 1)])
		b.WriteString(item.Original())
	}
	b.WriteByte(']')
	return b.Bytes()
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
