package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
)

// Page asks for at most Limit applications after a UID.
type Page struct {
	After   uuid.UUID
	Limit   int
	Cluster string // only this cluster's; "": all
	Summary bool   // without policies and credentials
}

// selectSummary reads what an operator compares once a minute. Policies, by far the largest column, are not even read:
// what PostgreSQL keeps out of line costs nothing as long as nobody asks for it.
const selectSummary = `
SELECT a.uid, a.namespace, a.name, a.client_id, a.revision, a.cluster, a.deletion_policy
FROM auth.applications a `

func scanSummary(row pgx.CollectableRow) (app registry.Application, err error) {
	err = row.Scan(&app.UID, &app.Namespace, &app.Name, &app.ClientID, &app.Revision, &app.Cluster, &app.DeletionPolicy)
	return app, err
}

// List returns a page of the applications that are not deleted, in the order of their UIDs.
func (s *Store) List(ctx context.Context, page Page) ([]registry.Application, error) {
	scan := scanApplication
	if page.Summary {
		scan = scanSummary
	}
	statement, args := page.query()
	rows, err := s.pool.Query(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	apps, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	return apps, nil
}

// query returns the statement of a page. A cluster is a condition only where one is asked for, so that PostgreSQL finds
// its index, in plans that it keeps too; the index leaves out those of no cluster, and the statement has to say so.
func (p Page) query() (statement string, args []any) {
	statement, args = selectApplication, []any{p.After, p.Limit}
	if p.Summary {
		statement = selectSummary
	}
	statement += "WHERE a.uid > $1 AND a.deleted_at IS NULL "
	if p.Cluster != "" {
		statement, args = statement+"AND a.cluster <> '' AND a.cluster = $3 ", append(args, p.Cluster)
	}
	return statement + "ORDER BY a.uid LIMIT $2", args
}
