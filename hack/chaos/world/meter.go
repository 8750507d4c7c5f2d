package world

import (
	"sync"
	"sync/atomic"

	"github.com/Shopify/toxiproxy/v2/toxics"
)

// meter is a toxic that lets everything pass and counts it, so that a fault on a link can tell whether anything met it.
type meter struct {
	Key string `json:"key"`
}

// meterToxic is its name among the proxy's toxics.
const meterToxic = "chaos_meter"

// meters finds the counter of a meter: the proxy makes its toxics itself, from JSON.
var meters sync.Map //nolint:gochecknoglobals // key → *atomic.Int64; the proxy's registry of toxics is global, too

// registerMeter makes the toxic known; the proxy takes a second time for the first.
func registerMeter() { toxics.Register(meterToxic, new(meter)) }

func counter(key string) *atomic.Int64 {
	found, _ := meters.LoadOrStore(key, new(atomic.Int64))
	return found.(*atomic.Int64) //nolint:forcetypeassert // nothing else is stored
}

// Pipe passes data on until the link ends or the toxics change.
func (m *meter) Pipe(stub *toxics.ToxicStub) {
	count := counter(m.Key)
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			count.Add(int64(len(chunk.Data)))
			stub.Output <- chunk
		}
	}
}
