package persistence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// owned is one thing that is asked for by its id, a Failure or a replay, and whose it is. Whoever asks does not say, so that
// it is read first, and its owner decides: what somebody may do with everybody else's is no matter.
type owned struct {
	kind        string    // of what it is
	id          uuid.UUID // uuid.Nil: the id is none
	there       bool
	application *uuid.UUID // nil: nobody's, or everybody's
}

// within is the scope that has it, for who may do something with what belongs to its application.
func (o owned) within() Scope {
	if !o.there || o.application == nil {
		return Scope{}
	}
	return Scope{Application: *o.application}
}

// scopeFor finds the scope within which a sender finds one thing. Of what they may not see they are told none, which they are
// told of what is not there; or, where they may see nothing at all, what they lack.
func scopeFor(ctx context.Context, who sender, verb Verb, of owned, none error) (Scope, error) {
	scope, err := who.sees(ctx, verb, of)
	if err != nil || of.there && !scope.none() {
		return scope, err
	}
	if _, err := span(ctx, who, verb); err != nil && !isTooWide(err) {
		return Scope{}, err
	}
	return Scope{}, none
}

// ownerOf reads whose something is, and nothing else: of a large thing that somebody may not see they are told as soon as of
// a small one. sql has its id for $1.
func (p *Postgres) ownerOf(ctx context.Context, kind, sql string, id uuid.UUID) (owned, error) {
	of := owned{kind: kind, id: id}
	err := p.pool.QueryRow(ctx, sql, id).Scan(&of.application)
	if of.there = err == nil; err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return of, fmt.Errorf("read whose it is: %w", err)
	}
	return of, nil
}

func (administrator) sees(context.Context, Verb, owned) (Scope, error) { return Scope{All: true}, nil }

func (o owner) sees(_ context.Context, verb Verb, of owned) (Scope, error) {
	if own := (Scope{Application: o.application.UID}); o.reads(verb) && of.within().Application == o.application.UID {
		return own, nil
	}
	return Scope{}, nil
}

// sees asks about all namespaces, and then about the application alone: so it is for who may do something in very many
// namespaces, and for who may with some applications by name. What is not there, or nobody's, is asked about as well, with
// its id for a name. The answer is remembered for the id: what was asked about an application, or by this id about something
// of another kind, must not show in whether this is asked.
func (p person) sees(ctx context.Context, verb Verb, of owned) (Scope, error) {
	err := p.everywhere(ctx, verb)
	if err == nil || !forbidden(err) {
		return Scope{All: err == nil}, err
	}
	asked := verb.permission("", of.id.String())
	if of.within().Application != uuid.Nil {
		if a := p.keys.Application(of.application.String()); a != nil {
			asked = verb.permission(a.Namespace, a.Name)
		}
	}
	asked.Apart = of.kind + " " + of.id.String()
	switch err := p.people.Allow(ctx, p.user, asked); {
	case err == nil && asked.Namespace != "":
		return of.within(), nil
	case err != nil && !forbidden(err):
		return Scope{}, err
	}
	return Scope{}, nil
}

// isTooWide tells whether a question is about more than is put together.
func isTooWide(err error) bool {
	known, ok := errors.AsType[*fault.Error](err)
	return ok && known.Code == fault.CodeTooWide
}
