package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// tombstoneLife is how long the log keeps a deleted application's record: longer than any reader is away and still
// counts on its memory, for a reader that starts takes a snapshot. The database keeps the tombstone for ever, and
// answers an older copy of the log with it.
const tombstoneLife = 30 * 24 * time.Hour

// compare brings to the log whatever it does not have in the database's revision, and to the database what only the
// log knows. It returns how many applications live.
func (h *healer) compare(ctx context.Context) (living int, err error) {
	// The log is listed first: what is committed and published after that is in the database when it is read.
	unknown, err := h.log.Applications(ctx)
	if err != nil {
		return 0, err
	}
	for after := uuid.Nil; ; {
		page, err := h.store.Versions(ctx, after, pageSize)
		if err != nil {
			return 0, err
		}
		count, err := h.comparePage(ctx, page)
		if err != nil {
			return 0, err
		}
		living += count
		for _, v := range page {
			delete(unknown, v.UID)
		}
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1].UID
	}
	return living, h.adoptAll(ctx, unknown)
}

func (h *healer) comparePage(ctx context.Context, page []Version) (living int, err error) {
	uids := make([]uuid.UUID, len(page))
	for i, v := range page {
		uids[i] = v.UID
	}
	stored, err := h.log.Revisions(ctx, uids)
	if err != nil {
		return 0, err
	}
	for i, v := range page {
		if v.DeletedAt == nil {
			living++
		}
		if err := h.settle(ctx, v, stored[i]); err != nil {
			return 0, err
		}
	}
	return living, nil
}

// settle makes the log right about one application, of which it has the stored revision.
func (h *healer) settle(ctx context.Context, v Version, stored int64) error {
	old := v.DeletedAt != nil && h.now().Sub(*v.DeletedAt) > tombstoneLife
	switch {
	case old && stored == absent:
		return nil
	case old && stored == v.Revision:
		return h.log.Forget(ctx, v.UID, stored)
	case stored == v.Revision:
		return nil
	}
	return h.republish(ctx, v.UID)
}

// adoptAll takes over what only the log knows.
func (h *healer) adoptAll(ctx context.Context, unknown map[uuid.UUID]struct{}) error {
	for uid := range unknown {
		adopted, err := h.adopt(ctx, uid)
		if err == nil && adopted {
			err = h.republish(ctx, uid)
		}
		if err != nil {
			return fmt.Errorf("adopt application %s: %w", uid, err)
		}
	}
	return nil
}
