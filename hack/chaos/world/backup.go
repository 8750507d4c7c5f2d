package world

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// backupName is the directory of the backup.
const backupName = "postgres-backup"

// BackUpPostgres copies PostgreSQL as it is now.
func (w *World) BackUpPostgres(ctx context.Context) error {
	dir := filepath.Join(w.options.Dir, backupName)
	w.others = append(w.others, func(context.Context) error { return os.RemoveAll(dir) })
	return w.Postgres.Backup(ctx, dir, w.Postgres.Port(), false) //nolint:wrapcheck // says what
}

// RestoreBackup loses PostgreSQL, and puts its backup in its place.
func (w *World) RestoreBackup(ctx context.Context) error {
	old := w.Postgres
	if err := old.Crash(ctx); err != nil {
		return err //nolint:wrapcheck // says what
	}
	restored, err := w.RestorePostgres(ctx, backupName)
	if err != nil {
		return err
	}
	return errors.Join(w.UsePostgres(restored), os.RemoveAll(w.PostgresDir()))
}

// Public is the URL of the service's public port, past any link.
func (s *Service) Public() string { return "http://" + s.public }
