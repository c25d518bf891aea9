package token

import (
	"errors"
	"fmt"
	"io"
)

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// NewID gives n characters of [A-Za-z0-9], each equally likely: about 5.95 bits of
// randomness a character.
func NewID(n int, rand io.Reader) (string, error) {
	if n <= 0 {
		return "", errors.New("new id: length is not positive")
	}
	// A byte at or over the largest multiple of 62 is thrown away: folding it in
	// would favour the first characters.
	const limit = 256 - 256%len(idAlphabet)
	id := make([]byte, 0, n)
	buf := make([]byte, n)
	for len(id) < n {
		chunk := buf[:n-len(id)]
		if _, err := io.ReadFull(rand, chunk); err != nil {
			return "", fmt.Errorf("new id: read randomness: %w", err)
		}
		for _, b := range chunk {
			if int(b) < limit {
				id = append(id, idAlphabet[int(b)%len(idAlphabet)])
			}
		}
	}
	return string(id), nil
}
