package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// ErrNoEvaluation is wrapped where no measured accuracy is found.
var ErrNoEvaluation = errors.New("no such evaluation")

// EvaluationInputs are everything that decides what an evaluation measures. Equal inputs are the same
// evaluation, whoever asks.
type EvaluationInputs struct {
	Space string `json:"space"`
	// SpaceDescription is what Space.Description gives, for a space of the user's own.
	SpaceDescription string        `json:"space_description,omitempty"`
	Arch             supernet.Arch `json:"arch"`          // canonical
	Weights          string        `json:"weights"`       // where they come from, with their digest
	Data             string        `json:"data"`          // name of the pictures
	DataSHA256       string        `json:"data_sha256"`   // of pictures and labels
	Pictures         int           `json:"pictures"`      // number that was asked for
	Order            string        `json:"order"`         // which of them: "all", "seed 1"
	Transform        string        `json:"transform"`     // how they became inputs
	Recalibration    string        `json:"recalibration"` // how the statistics were estimated; "none": the checkpoint's own
	Runtime          string        `json:"runtime"`       // name and version
}

// Digest returns the SHA-256, in hexadecimal, of the inputs.
func (in EvaluationInputs) Digest() (string, error) {
	_, digest, err := in.document()
	return digest, err
}

func (in EvaluationInputs) document() (text []byte, digest string, err error) {
	space, err := supernet.Resolve(in.Space, in.SpaceDescription)
	if err != nil {
		return nil, "", fmt.Errorf("store: evaluation: %w", err)
	}
	if err := checkArch(space, in.Arch); err != nil {
		return nil, "", fmt.Errorf("store: evaluation: %w", err)
	}
	if in.Weights == "" || in.Data == "" || in.Pictures < 1 {
		return nil, "", errors.New("store: evaluation: weights, data or pictures are not given")
	}
	if text, err = json.Marshal(in); err != nil {
		return nil, "", fmt.Errorf("store: evaluation: %w", err)
	}
	sum := sha256.Sum256(text)
	return text, hex.EncodeToString(sum[:]), nil
}

// Evaluation is a measured accuracy.
type Evaluation struct {
	ID      int64
	Inputs  EvaluationInputs
	Images  int    // that were answered
	Skipped int    // that could not be decoded
	Top1    int    // pictures whose class was the first answer
	Top5    int    // pictures whose class was among the first five
	Ranks   []byte // of each picture, see deploy/eval; nil in listings
	Created time.Time
}

// Accuracy is the top-1.
func (e *Evaluation) Accuracy() unit.Accuracy {
	return unit.Accuracy(float64(e.Top1) / float64(max(1, e.Images)))
}

// skippedRank is deploy/eval's mark of a picture that could not be decoded.
const skippedRank = 255

// PutEvaluation stores the ranks of all pictures and returns the evaluation. The journal of the same
// inputs goes. An evaluation that is there already stays, and is returned.
func (s *Store) PutEvaluation(ctx context.Context, in EvaluationInputs, ranks []byte, created time.Time) (*Evaluation, error) {
	text, digest, err := in.document()
	if err != nil {
		return nil, err
	}
	if len(ranks) != in.Pictures {
		return nil, fmt.Errorf("store: evaluation: %d ranks for %d pictures", len(ranks), in.Pictures)
	}
	e := newEvaluation(in, ranks)
	if e.Images == 0 {
		return nil, errors.New("store: evaluation: no picture was answered")
	}
	at, err := sqlite.Timestamp(created)
	if err != nil {
		return nil, fmt.Errorf("store: evaluation: %w", err)
	}
	err = s.study.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM evaluation_journal WHERE digest = ?", digest); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO evaluations (digest, inputs, space, arch, arch_id, images, skipped, top1, top5, ranks, created_ns)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING`,
			digest, string(text), in.Space, in.Arch.String(), in.Arch.ID(), e.Images, e.Skipped, e.Top1, e.Top5, sealed(ranks), at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.FindEvaluation(ctx, in)
}

func newEvaluation(in EvaluationInputs, ranks []byte) *Evaluation {
	e := &Evaluation{Inputs: in, Ranks: ranks}
	for _, r := range ranks {
		switch {
		case r == skippedRank:
			e.Skipped++
			continue
		case r == 0:
			e.Top1++
		}
		if r < 5 {
			e.Top5++
		}
		e.Images++
	}
	return e
}

// FindEvaluation returns the evaluation of the inputs with its ranks. The error wraps ErrNoEvaluation if
// there is none.
func (s *Store) FindEvaluation(ctx context.Context, in EvaluationInputs) (*Evaluation, error) {
	digest, err := in.Digest()
	if err != nil {
		return nil, err
	}
	found, err := s.evaluations(ctx, "WHERE digest = ?1", digest)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w of %s on %s", ErrNoEvaluation, in.Arch, in.Data)
	}
	return found[0], nil
}

// Evaluations returns the evaluations of a space's sub-networks, by ID; of all spaces if the name is empty.
func (s *Store) Evaluations(ctx context.Context, space string) ([]*Evaluation, error) {
	return s.evaluations(ctx, "WHERE ?1 = '' OR space = ?1", space)
}

// evaluations reads and checks rows.
func (s *Store) evaluations(ctx context.Context, where, value string) ([]*Evaluation, error) {
	var list []*Evaluation
	err := s.study.View(ctx, func(tx *sql.Tx) error {
		return sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
			var id int64
			var digest, text string
			var blob []byte
			var images, skipped, top1, top5 int
			var created sql.NullInt64
			if err := rows.Scan(&id, &digest, &text, &images, &skipped, &top1, &top5, &blob, &created); err != nil {
				return err
			}
			e, err := readEvaluation(text, digest, blob)
			if err == nil && (e.Images != images || e.Skipped != skipped || e.Top1 != top1 || e.Top5 != top5) {
				err = errors.New("its counts are not those of its ranks")
			}
			if err != nil {
				return sqlite.Damagedf("evaluation %d: %w", id, err)
			}
			e.ID, e.Created = id, sqlite.Time(created)
			list = append(list, e)
			return nil
		}, "SELECT id, digest, inputs, images, skipped, top1, top5, ranks, created_ns FROM evaluations "+where+" ORDER BY id", value)
	})
	return list, err
}

func readEvaluation(text, digest string, blob []byte) (*Evaluation, error) {
	var in EvaluationInputs
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, err
	}
	again, sum, err := in.document()
	if err != nil {
		return nil, err
	}
	if sum != digest || string(again) != text {
		return nil, errors.New("its inputs do not have its digest")
	}
	ranks, err := unsealed(blob)
	if err != nil {
		return nil, err
	}
	if len(ranks) != in.Pictures {
		return nil, fmt.Errorf("%d ranks for %d pictures", len(ranks), in.Pictures)
	}
	return newEvaluation(in, ranks), nil
}

// KnownRanks returns what the journal has of an interrupted evaluation: the ranks of its first pictures.
func (s *Store) KnownRanks(ctx context.Context, in EvaluationInputs) ([]byte, error) {
	digest, err := in.Digest()
	if err != nil {
		return nil, err
	}
	var known []byte
	err = s.study.View(ctx, func(tx *sql.Tx) error {
		return sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
			var first int
			var blob []byte
			if err := rows.Scan(&first, &blob); err != nil {
				return err
			}
			part, err := unsealed(blob)
			if err == nil && (first != len(known) || len(known)+len(part) > in.Pictures) {
				err = fmt.Errorf("%d ranks from picture %d on follow %d of %d", len(part), first, len(known), in.Pictures)
			}
			if err != nil {
				return sqlite.Damagedf("journal of evaluation %s: %w", digest, err)
			}
			known = append(known, part...)
			return nil
		}, "SELECT first, ranks FROM evaluation_journal WHERE digest = ? ORDER BY first", digest)
	})
	return known, err
}

// RecordRanks adds ranks to the journal of an evaluation: those of the pictures from first on. When it
// returns nil they are on disk. It returns an error if another process has got further.
func (s *Store) RecordRanks(ctx context.Context, in EvaluationInputs, first int, ranks []byte) error {
	digest, err := in.Digest()
	if err != nil {
		return err
	}
	return s.study.Update(ctx, func(tx *sql.Tx) error {
		return sqlite.Insert(ctx, tx, "evaluation_journal (digest, first, ranks)", 1, func(int) []any {
			return []any{digest, first, sealed(ranks)}
		})
	})
}

// sealed returns bytes with their CRC-32 behind.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(append([]byte{}, b...), crc32.ChecksumIEEE(b))
}

func unsealed(b []byte) ([]byte, error) {
	n := len(b) - 4
	if n < 0 || crc32.ChecksumIEEE(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("the checksum of %d bytes is wrong", len(b))
	}
	return b[:n], nil
}
