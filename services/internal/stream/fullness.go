package stream

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// fullness is how much of what it may hold Redis holds, 0 to 1 and a little beyond; of several masters the fullest one's,
// for a stream that is on it is refused. known is false when Redis has no limit, or does not tell.
func fullness(ctx context.Context, client redis.UniversalClient) (ratio float64, known bool) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return fullnessOf(ctx, client)
	}
	var mu sync.Mutex
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		one, told := fullnessOf(ctx, master)
		mu.Lock()
		defer mu.Unlock()
		ratio, known = max(ratio, one), known || told
		return nil
	})
	return ratio, known && err == nil
}

// fullnessOf counts as Redis does when it decides whether to refuse: without what it keeps for replicas and for the file.
func fullnessOf(ctx context.Context, client redis.Cmdable) (ratio float64, known bool) {
	info, err := client.InfoMap(ctx, "memory").Result()
	if err != nil {
		return 0, false // perhaps its user may not ask; that it does not answer others tell
	}
	used, limit, err := counted(info["Memory"])
	if err != nil || limit == 0 {
		return 0, false
	}
	return used / limit, true
}

func counted(memory map[string]string) (used, limit float64, err error) {
	values := map[string]float64{"used_memory": 0, "mem_not_counted_for_evict": 0, "maxmemory": 0}
	for name := range values {
		if values[name], err = strconv.ParseFloat(memory[name], 64); err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return values["used_memory"] - values["mem_not_counted_for_evict"], values["maxmemory"], nil
}
