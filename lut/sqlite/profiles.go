package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dynofa/dynofa/lut"
)

// Profile is the journal of one profile in the study: the rounds of samples that were measured
// before the table is complete. It implements lut/profile's Journal. A profile is known by a digest
// of everything that decides what is measured, so that the same command finds its own rounds.
type Profile struct {
	study  *Study
	digest string
}

// Profile returns the journal of a digest, 64 hexadecimal digits. Nothing is stored yet.
func (s *Study) Profile(digest string) *Profile { return &Profile{s, digest} }

// Rounds returns what Append stored, in order.
func (p *Profile) Rounds(ctx context.Context) ([][]byte, error) {
	var rounds [][]byte
	err := p.study.View(ctx, func(tx *sql.Tx) error {
		return Select(ctx, tx, func(rows *sql.Rows) error {
			var position int
			var samples []byte
			if err := rows.Scan(&position, &samples); err != nil {
				return err
			}
			if position != len(rounds) {
				return Damagedf("profile %s has round %d where %d should be", p.digest, position, len(rounds))
			}
			rounds = append(rounds, samples)
			return nil
		}, "SELECT position, samples FROM profile_rounds WHERE digest = ? ORDER BY position", p.digest)
	})
	return rounds, err
}

// Append stores the next round; position counts from 0. When it returns nil the round is on disk. It
// returns an error if that round is there already: another process is at the same profile.
func (p *Profile) Append(ctx context.Context, position int, samples []byte) error {
	return p.study.Update(ctx, func(tx *sql.Tx) error {
		var next int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM profile_rounds WHERE digest = ?", p.digest).Scan(&next); err != nil {
			return err
		}
		if next != position {
			return fmt.Errorf("the study has %d rounds of this profile, not %d: is another process measuring the same?", next, position)
		}
		return Insert(ctx, tx, "profile_rounds (digest, position, samples)", 1, func(int) []any { return []any{p.digest, position, samples} })
	})
}

// Finish stores the table as PutTable does and drops the journal, in one transaction.
func (p *Profile) Finish(ctx context.Context, t *lut.Table) (int64, error) {
	return p.study.putTable(ctx, t, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM profile_rounds WHERE digest = ?", p.digest)
		return err
	})
}
