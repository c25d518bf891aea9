package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var (
	errNotObject = errors.New("not one json object in utf-8")
	errDuplicate = errors.New("a member is there twice")
)

func isJSONObject(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) && json.Valid(data)
}

// decodeObject decodes exactly one JSON object. A member name that is there twice,
// at any depth, is refused (RFC 7515 section 4, RFC 7519 section 4): two readers
// could each see another value. Numbers become json.Number. Errors quote nothing of
// the data.
func decodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) || !isJSONObject(data) {
		return nil, errNotObject
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := decodeValue(decoder)
	if err != nil {
		return nil, err
	}
	return value.(map[string]any), nil
}

// decodeValue reads the next value of JSON that is known to be valid.
func decodeValue(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, errNotObject
	}
	switch token {
	case json.Delim('{'):
		return decodeMembers(decoder)
	case json.Delim('['):
		return decodeElements(decoder)
	default:
		return token, nil
	}
}

func decodeMembers(decoder *json.Decoder) (any, error) {
	members := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, errNotObject
		}
		name := token.(string)
		if _, there := members[name]; there {
			return nil, errDuplicate
		}
		if members[name], err = decodeValue(decoder); err != nil {
			return nil, err
		}
	}
	return members, closeDelim(decoder)
}

func decodeElements(decoder *json.Decoder) (any, error) {
	elements := []any{}
	for decoder.More() {
		element, err := decodeValue(decoder)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	return elements, closeDelim(decoder)
}

func closeDelim(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return errNotObject
	}
	return nil
}
