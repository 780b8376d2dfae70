package accuracy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// fashionCSV holds measured top-1 accuracies of sub-networks of the built-in supernet, fashionJSON under
// which conditions they were measured. `make study-accuracy` writes both.
var (
	//go:embed fashion.csv
	fashionCSV []byte
	//go:embed fashion.json
	fashionJSON []byte
)

// FashionConditions say how the measurements behind the built-in predictor of fashion-mbv3 came about.
type FashionConditions struct {
	Weights       string  `json:"weights"`       // with their SHA-256
	Data          string  `json:"data"`          // the pictures
	Pictures      int     `json:"pictures"`      // that each sub-network was measured on
	Recalibration string  `json:"recalibration"` // of batch normalisation
	Networks      int     `json:"networks"`      // that the predictor is fitted to
	HeldOut       int     `json:"held_out"`      // of them, held back once to compare with
	Tau           float64 `json:"tau"`           // Kendall's, on those, fitted to the rest
	MAE           float64 `json:"mae"`           // mean absolute error on those, as a fraction
}

// Fashion returns the conditions of the built-in measurements of fashion-mbv3.
func Fashion() (FashionConditions, error) {
	var c FashionConditions
	if err := json.Unmarshal(fashionJSON, &c); err != nil {
		return c, fmt.Errorf("accuracy: fashion.json: %w", err)
	}
	return c, nil
}

// fashion fits the built-in predictor of fashion-mbv3, once.
var fashion = sync.OnceValues(func() (*Fitted, error) {
	c, err := Fashion()
	if err != nil {
		return nil, err
	}
	f, err := FitCSV("fashion.csv", bytes.NewReader(fashionCSV), supernet.FashionMobileNetV3())
	if err != nil {
		return nil, err
	}
	f.description.Source = fmt.Sprintf("top-1 of %d sub-networks, measured by this program on %d pictures of %s, with weights %s", c.Networks, c.Pictures, c.Data, c.Weights)
	return f, nil
})
