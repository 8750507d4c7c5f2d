package main

import (
	"context"
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/hack/chart/e2e/cluster"
	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// The load that memory is measured under: the rate that the issue of this suite named, for as long as kubelets, which
// look at memory every ten seconds or so, need to see it.
const (
	heavyRate    = 2000
	heavyTime    = 20 * time.Second
	heavySamples = 10
)

// heavy measures the pods at rest and under load.
func (s *suite) heavy(ctx context.Context) error {
	if err := s.measureIdle(ctx); err != nil {
		return err
	}
	report, err := s.under(ctx, load.Plan{Run: "heavy", Rate: heavyRate, Batch: 10}, s.measureLoaded)
	if err != nil {
		return err
	}
	s.say("%.0f events/s accepted, p50 %.1f ms, p99 %.1f ms", float64(report.Acked)/report.Seconds, report.P50, report.P99)
	return s.measureImages(ctx)
}

// measureIdle waits until the kubelets have looked at all pods.
func (s *suite) measureIdle(ctx context.Context) error {
	pods, err := s.cluster.Pods(ctx, s.options.namespace, s.labels(""))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	return cluster.Until(ctx, "the memory of all pods", func(ctx context.Context) (string, error) { //nolint:wrapcheck // says all
		s.figures.idle, err = s.cluster.Memory(ctx, s.options.namespace)
		for _, pod := range pods {
			if s.figures.idle[pod.Name] == 0 {
				return pod.Name + " has not been measured yet", err
			}
		}
		return "", err
	})
}

func (s *suite) measureLoaded(ctx context.Context) error {
	ticker := time.NewTicker(heavyTime / heavySamples)
	defer ticker.Stop()
	for range heavySamples {
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the step's end
		case <-ticker.C:
		}
		memory, err := s.cluster.Memory(ctx, s.options.namespace)
		if err != nil {
			return err //nolint:wrapcheck // says all
		}
		s.figures.peak(memory)
	}
	return nil
}

// measureImages finds the sizes of the images that the release runs.
func (s *suite) measureImages(ctx context.Context) error {
	all, err := s.cluster.ImageSizes(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	pods, err := s.cluster.Pods(ctx, s.options.namespace, s.labels(""))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	for _, pod := range pods {
		for _, container := range pod.Spec.Containers {
			s.figures.sizes[container.Image] = all[container.Image]
		}
	}
	if len(s.figures.sizes) == 0 {
		return fmt.Errorf("no pod of the release in %s", s.options.namespace)
	}
	return nil
}
