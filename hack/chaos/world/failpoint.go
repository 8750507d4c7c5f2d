package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Arm sets a failpoint of the service: what it does when it comes there next.
func (s *Service) Arm(point, action string) error {
	part := filepath.Join(s.points, "."+point)
	if err := os.WriteFile(part, []byte(action), 0o600); err != nil {
		return fmt.Errorf("arm %s of %s: %w", point, s.Name, err)
	}
	if err := os.Rename(part, filepath.Join(s.points, point)); err != nil {
		return fmt.Errorf("arm %s of %s: %w", point, s.Name, err)
	}
	return nil
}

// Disarm takes a failpoint back; false: it was reached before.
func (s *Service) Disarm(point string) bool { return os.Remove(filepath.Join(s.points, point)) == nil }

// Reached tells whether an armed failpoint was reached.
func (s *Service) Reached(point string) bool {
	_, err := os.Stat(filepath.Join(s.points, point))
	return errors.Is(err, os.ErrNotExist)
}
