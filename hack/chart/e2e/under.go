package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// warmUp and afterwards are how long load goes on before and after what happens to it.
const (
	warmUp     = time.Second
	afterwards = time.Second
)

// under lets shop's app post while something happens, then counts: nothing may be lost or there twice, and every answer
// is 202, 503, or one of those that are allowed besides.
func (s *suite) under(ctx context.Context, plan load.Plan, happens func(context.Context) error, allowed ...string) (load.Report, error) {
	if err := s.shop.start(ctx, plan); err != nil {
		return load.Report{}, err
	}
	happened := s.shop.acked(ctx, int(warmUp.Seconds()*float64(plan.Rate)))
	if happened == nil && happens != nil {
		happened = happens(ctx)
	}
	if happened == nil {
		happened = s.shop.acked(ctx, int(afterwards.Seconds()*float64(plan.Rate)))
	}
	report, err := s.shop.stop(ctx)
	if err = errors.Join(happened, err); err != nil {
		return report, err
	}
	s.figures.run(report)
	s.say("%s", summary(report))
	return report, judge(report, append(allowed, "202", "503"))
}

func summary(r load.Report) string {
	return fmt.Sprintf("sent %d, accepted %d, lost %d, twice %d; %s; unknown outcomes %d, settled %d; longest pause %.1fs",
		r.Sent, r.Acked, r.Readback.Missing, r.Readback.Duplicated, counts(r.Progress), r.Unknown, r.Settled, r.Gap/1000)
}

// judge says what is wrong with a run.
func judge(r load.Report, allowed []string) error {
	var wrong []error
	if !r.Readback.Sound() {
		wrong = append(wrong, fmt.Errorf("what was read back is not what was sent: %+v", r.Readback))
	}
	for status, n := range r.Statuses {
		if !slices.Contains(allowed, status) {
			wrong = append(wrong, fmt.Errorf("%d requests were answered %s, and only %s may be", n, status, strings.Join(allowed, ", ")))
		}
	}
	if r.Pending > 0 {
		wrong = append(wrong, fmt.Errorf("%d events never got a final answer", r.Pending))
	}
	if r.Rejected > 0 {
		wrong = append(wrong, fmt.Errorf("%d good events were rejected", r.Rejected))
	}
	if r.Readback.Read != r.Acked+r.Readback.Unacked {
		wrong = append(wrong, fmt.Errorf("%d events were accepted, and %d are there", r.Acked, r.Readback.Read))
	}
	return errors.Join(wrong...)
}

// connections fails when a connection broke: what stops in an orderly way has time to tell its clients.
func connections(r load.Report) error {
	if len(r.Errors) > 0 {
		return fmt.Errorf("connections broke: %s", counts(r.Progress))
	}
	return nil
}
