package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// ErrNoStatistics is wrapped where no statistics are found.
var ErrNoStatistics = errors.New("no such statistics")

// StatisticsInputs are everything that decides the re-estimated statistics of a sub-network's batch
// normalisations.
type StatisticsInputs struct {
	Space string `json:"space"`
	// SpaceDescription is what Space.Description gives, for a space of the user's own.
	SpaceDescription string        `json:"space_description,omitempty"`
	Arch             supernet.Arch `json:"arch"`        // canonical
	Weights          string        `json:"weights"`     // where they come from, with their digest
	Data             string        `json:"data"`        // name of the pictures
	DataSHA256       string        `json:"data_sha256"` // of the pictures
	Pictures         int           `json:"pictures"`    // number that was asked for
	Order            string        `json:"order"`       // which of them, in which order: "seed 1"
	Batch            int           `json:"batch"`       // pictures normalised together
	Transform        string        `json:"transform"`
	Runtime          string        `json:"runtime"`
}

func (in StatisticsInputs) document() (text, digest string, err error) {
	space, err := supernet.Resolve(in.Space, in.SpaceDescription)
	if err == nil {
		err = checkArch(space, in.Arch)
	}
	if err != nil {
		return "", "", fmt.Errorf("store: statistics: %w", err)
	}
	b, err := json.Marshal(in)
	if err != nil {
		return "", "", fmt.Errorf("store: statistics: %w", err)
	}
	sum := sha256.Sum256(b)
	return string(b), hex.EncodeToString(sum[:]), nil
}

// PutStatistics keeps a safetensors file of statistics; one that is there already is replaced.
func (s *Store) PutStatistics(ctx context.Context, in StatisticsInputs, file []byte, created time.Time) error {
	text, digest, err := in.document()
	if err != nil {
		return err
	}
	at, err := sqlite.Timestamp(created)
	if err != nil {
		return fmt.Errorf("store: statistics: %w", err)
	}
	sum := sha256.Sum256(file)
	return s.study.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO bn_statistics (digest, inputs, statistics, sha256, created_ns) VALUES (?, ?, ?, ?, ?)",
			digest, text, file, hex.EncodeToString(sum[:]), at)
		return err
	})
}

// Statistics returns the file that was kept for the inputs. The error wraps ErrNoStatistics if there is
// none.
func (s *Store) Statistics(ctx context.Context, in StatisticsInputs) ([]byte, error) {
	_, digest, err := in.document()
	if err != nil {
		return nil, err
	}
	var file []byte
	err = s.study.View(ctx, func(tx *sql.Tx) error {
		var want string
		err := tx.QueryRowContext(ctx, "SELECT statistics, sha256 FROM bn_statistics WHERE digest = ?", digest).Scan(&file, &want)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w of %s", ErrNoStatistics, in.Arch)
		}
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != want {
			return sqlite.Damagedf("statistics %s: the checksum is wrong", digest)
		}
		return nil
	})
	return file, err
}
