package bundle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// ErrSignature is wrapped by every error about a signature: missing, malformed, by another key, or not
// of these bytes.
var ErrSignature = errors.New("signature")

// Two letters that begin minisign's binary forms.
const (
	algPlain  = "Ed" // keys, and signatures of the bytes themselves
	algHashed = "ED" // signatures of the bytes' BLAKE2b-512, minisign's default
)

const (
	untrusted = "untrusted comment: "
	trusted   = "trusted comment: "
)

// maxSignature bounds a signature or key file, in bytes.
const maxSignature = 8 << 10

// PublicKey checks signatures.
//
// Source: F. Denis, minisign, https://jedisct1.github.io/minisign/, "Signature format", "Public key
// format".
type PublicKey struct {
	id  [8]byte
	key ed25519.PublicKey
}

// SecretKey makes signatures.
type SecretKey struct {
	id  [8]byte
	key ed25519.PrivateKey
}

// GenerateKey makes a new key from a source of randomness, crypto/rand.Reader.
func GenerateKey(random io.Reader) (*SecretKey, error) {
	s := &SecretKey{}
	if _, err := io.ReadFull(random, s.id[:]); err != nil {
		return nil, err
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, err
	}
	s.key = ed25519.NewKeyFromSeed(seed)
	return s, nil
}

// Public returns the key that checks s's signatures.
func (s *SecretKey) Public() *PublicKey {
	return &PublicKey{s.id, s.key.Public().(ed25519.PublicKey)}
}

// ID returns the key's number as minisign prints it.
func (p *PublicKey) ID() string { return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(p.id[:])) }

// Equal reports whether two keys are the same.
func (p *PublicKey) Equal(q *PublicKey) bool { return p.id == q.id && p.key.Equal(q.key) }

// Marshal returns the key as minisign's .pub file.
func (p *PublicKey) Marshal() []byte {
	return []byte(untrusted + "minisign public key " + p.ID() + "\n" + encode64([]byte(algPlain), p.id[:], p.key) + "\n")
}

// Marshal returns the key as minisign's secret key file without a password, as minisign -G -W makes it.
// Whoever reads it can sign.
func (s *SecretKey) Marshal() []byte {
	sum := keySum(s.id[:], s.key)
	return []byte(untrusted + "minisign secret key\n" + encode64([]byte(algPlain), make([]byte, 2), []byte("B2"), make([]byte, 32+8+8), s.id[:], s.key, sum[:]) + "\n")
}

// keySum guards a secret key against damage.
func keySum(id, key []byte) [32]byte {
	return blake2b.Sum256(bytes.Join([][]byte{[]byte(algPlain), id, key}, nil))
}

func encode64(parts ...[]byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Join(parts, nil))
}

func decode64(line string, size int) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(line)
	if err == nil && len(b) != size {
		err = fmt.Errorf("%d bytes instead of %d", len(b), size)
	}
	return b, err
}

// ParsePublicKey reads minisign's .pub file, or its second line alone.
func ParsePublicKey(text []byte) (*PublicKey, error) {
	list, err := lines(text)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if len(list) == 2 && strings.HasPrefix(list[0], untrusted) {
		list = list[1:]
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%w: public key: %d lines", ErrSignature, len(list))
	}
	b, err := decode64(list[0], 2+8+ed25519.PublicKeySize)
	if err == nil && string(b[:2]) != algPlain {
		err = fmt.Errorf("algorithm %q", b[:2])
	}
	if err != nil {
		return nil, fmt.Errorf("%w: public key: %w", ErrSignature, err)
	}
	return &PublicKey{[8]byte(b[2:10]), b[10:]}, nil
}

// ParseSecretKey reads minisign's secret key file, which must have no password.
func ParseSecretKey(text []byte) (*SecretKey, error) {
	list, err := lines(text)
	if err == nil && (len(list) != 2 || !strings.HasPrefix(list[0], untrusted)) {
		err = fmt.Errorf("%d lines, want a comment and the key", len(list))
	}
	var b []byte
	if err == nil {
		b, err = decode64(list[1], 2+2+2+32+8+8+8+ed25519.PrivateKeySize+32)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: secret key: %w", ErrSignature, err)
	}
	id, key, sum := b[54:62], b[62:126], b[126:]
	switch {
	case string(b[:2]) != algPlain || string(b[4:6]) != "B2":
		return nil, fmt.Errorf("%w: secret key: algorithms %q and %q", ErrSignature, b[:2], b[4:6])
	case string(b[2:4]) == "Sc":
		return nil, fmt.Errorf("%w: secret key: it has a password, which is not supported: make one with minisign -G -W, or take the password off with minisign -C -W", ErrSignature)
	case b[2] != 0 || b[3] != 0:
		return nil, fmt.Errorf("%w: secret key: protected by %q", ErrSignature, b[2:4])
	}
	if want := keySum(id, key); !bytes.Equal(want[:], sum) {
		return nil, fmt.Errorf("%w: secret key: damaged", ErrSignature)
	}
	s := &SecretKey{[8]byte(id), key}
	if !bytes.Equal(ed25519.NewKeyFromSeed(key[:ed25519.SeedSize]), key) {
		return nil, fmt.Errorf("%w: secret key: its halves do not fit", ErrSignature)
	}
	return s, nil
}

// Sign returns the signature file of a message in minisign's default form, with a trusted comment of
// one line.
func (s *SecretKey) Sign(message []byte, comment string) []byte {
	hash := blake2b.Sum512(message)
	sig := ed25519.Sign(s.key, hash[:])
	global := ed25519.Sign(s.key, append(bytes.Clone(sig), comment...))
	return []byte(untrusted + "signature from minisign secret key\n" + encode64([]byte(algHashed), s.id[:], sig) + "\n" +
		trusted + comment + "\n" + encode64(global) + "\n")
}

// Verify returns the trusted comment of a signature file, or an error that wraps ErrSignature unless the
// signature is of this message by this key. Both of minisign's forms are read.
func (p *PublicKey) Verify(message, signature []byte) (comment string, err error) {
	comment, err = p.verify(message, signature)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return comment, nil
}

func (p *PublicKey) verify(message, signature []byte) (string, error) {
	list, err := lines(signature)
	if err != nil {
		return "", err
	}
	if len(list) != 4 || !strings.HasPrefix(list[0], untrusted) || !strings.HasPrefix(list[2], trusted) {
		return "", errors.New("it is not of minisign's form: comment, signature, trusted comment, signature")
	}
	b, err := decode64(list[1], 2+8+ed25519.SignatureSize)
	if err != nil {
		return "", err
	}
	alg, id, sig := string(b[:2]), [8]byte(b[2:10]), b[10:]
	if id != p.id {
		return "", fmt.Errorf("by key %s, not by %s", (&PublicKey{id: id}).ID(), p.ID())
	}
	switch alg {
	case algPlain:
	case algHashed:
		hash := blake2b.Sum512(message)
		message = hash[:]
	default:
		return "", fmt.Errorf("algorithm %q", alg)
	}
	if !ed25519.Verify(p.key, message, sig) {
		return "", errors.New("it is not of these bytes")
	}
	comment := strings.TrimPrefix(list[2], trusted)
	global, err := decode64(list[3], ed25519.SignatureSize)
	if err != nil {
		return "", err
	}
	if !ed25519.Verify(p.key, append(bytes.Clone(sig), comment...), global) {
		return "", errors.New("the trusted comment was changed")
	}
	return comment, nil
}

// lines splits a small text file; the last line may lack its end.
func lines(text []byte) ([]string, error) {
	if len(text) > maxSignature {
		return nil, fmt.Errorf("%w: %d bytes", ErrSignature, len(text))
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}
