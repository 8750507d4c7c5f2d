package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Any lets in whom one of several authorizers lets in. They are asked in order, so the cheapest comes first. Nobody
// among them has no say.
func Any(authorizers ...Authorizer) Authorizer {
	asked := slices.DeleteFunc(slices.Clone(authorizers), func(a Authorizer) bool { return a == Nobody{} })
	switch len(asked) {
	case 0:
		return Nobody{}
	case 1:
		return asked[0]
	}
	return anyOf(asked)
}

// anyOf are two or more.
type anyOf []Authorizer

// Authorize answers nil as soon as one authorizer does, else the fault that says most.
func (a anyOf) Authorize(ctx context.Context, r *http.Request) error {
	var most error
	for _, authorizer := range a {
		err := authorizer.Authorize(ctx, r)
		switch {
		case err == nil:
			return nil
		case most == nil || weight(err) > weight(most):
			most = err
		case weight(err) == weight(most):
			most = both(most, err)
		}
	}
	return most
}

// weight orders what authorizers answer by how far they got: one that could not decide (503) might have said yes; one
// that knows the sender (403) knows better than one that doesn't (401).
func weight(err error) int {
	var known *fault.Error
	switch kind := fault.KindOf(err); {
	case kind == fault.Internal:
		return 3
	case kind == fault.Unavailable:
		return 2
	case errors.As(err, &known) && known.Code == fault.CodeForbidden:
		return 1
	}
	return 0
}

// both tells what two authorizers miss: nobody knows which of them the sender meant.
func both(a, b error) error {
	var first, second *fault.Error
	if !errors.As(a, &first) || !errors.As(b, &second) || first.Detail == second.Detail {
		return a
	}
	return fault.Wrap(first.Code, first.Detail+"; "+second.Detail, errors.Join(first.Err, second.Err))
}
