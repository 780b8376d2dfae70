package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/deploy/bundle"
)

func keyCommand() *cli.Command {
	return &cli.Command{
		Name:  "key",
		Usage: "keys that sign bundles",
		Subcommands: []*cli.Command{{
			Name:      "new",
			Usage:     "make a secret key in FILE and its public key in FILE.pub, in minisign's form, without a password",
			ArgsUsage: "FILE",
			Action:    func(c *cli.Context) error { return newKey(c, c.Args().First()) },
		}},
	}
}

func newKey(c *cli.Context, path string) error {
	s, err := bundle.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	// Existing files stay: a lost key cannot be made again.
	for _, file := range []struct {
		path string
		data []byte
		mode os.FileMode
	}{{path, s.Marshal(), 0o600}, {path + ".pub", s.Public().Marshal(), 0o644}} {
		f, err := os.OpenFile(file.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, file.mode)
		if err != nil {
			return err
		}
		_, err = f.Write(file.data)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(c.App.Writer, "secret key in %s, keep it; public key %s in %s.pub\n", path, s.Public().ID(), path)
	return err
}

// readSecretKey reads the key of export --sign; nil without one.
func readSecretKey(path string) (*bundle.SecretKey, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := bundle.ParseSecretKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
