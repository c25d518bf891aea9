package password

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// The PHC string format, which most schemes here use, writes a hash as
// $name$key=value,key=value$salt$key with unpadded base64.

// b64 encodes salts and keys as the PHC string format says.
var b64 = base64.RawStdEncoding

// decodeCanonical decodes s and accepts only the one spelling that encoding
// would produce: no line breaks, no stray bits in the last character.
func decodeCanonical(enc *base64.Encoding, s string) ([]byte, error) {
	b, err := enc.DecodeString(s)
	if err != nil || enc.EncodeToString(b) != s {
		return nil, fmt.Errorf("%w: base64", ErrMalformed)
	}
	return b, nil
}

// decodeSaltAndKey decodes the last two fields of a PHC string.
func decodeSaltAndKey(salt64, key64 string) (salt, key []byte, err error) {
	if salt, err = decodeCanonical(b64, salt64); err != nil {
		return nil, nil, err
	}
	if key, err = decodeCanonical(b64, key64); err != nil {
		return nil, nil, err
	}
	return salt, key, checkSaltAndKey(salt, key)
}

func checkSaltAndKey(salt, key []byte) error {
	if len(salt) < minSaltLen || len(salt) > maxSaltLen {
		return fmt.Errorf("%w: salt of %d bytes", ErrMalformed, len(salt))
	}
	if len(key) < minKeyLen || len(key) > maxKeyLen {
		return fmt.Errorf("%w: key of %d bytes", ErrMalformed, len(key))
	}
	return nil
}

// splitParams reads "a=1,b=2" and returns the values of exactly the given
// names, in exactly that order.
func splitParams(s string, names ...string) ([]string, error) {
	pairs := strings.Split(s, ",")
	if len(pairs) != len(names) {
		return nil, fmt.Errorf("%w: parameters", ErrMalformed)
	}
	values := make([]string, len(names))
	for i, name := range names {
		value, ok := strings.CutPrefix(pairs[i], name+"=")
		if !ok {
			return nil, fmt.Errorf("%w: parameter %s is missing", ErrMalformed, name)
		}
		values[i] = value
	}
	return values, nil
}

// decimal reads an unsigned decimal number without sign or leading zero.
func decimal(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%w: number", ErrMalformed)
	}
	return uint32(n), nil
}

// decimals reads each of the given strings with decimal.
func decimals(values []string) ([]uint32, error) {
	numbers := make([]uint32, len(values))
	for i, value := range values {
		n, err := decimal(value)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	return numbers, nil
}
