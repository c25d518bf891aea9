package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
)

// The kinds of user_attributes.kind.
const (
	kindNull   = "z"
	kindBool   = "b"
	kindNumber = "n"
	kindText   = "s"
	kindArray  = "a"
	kindObject = "o"
)

const (
	ownPlace       = -1  // the place of the attribute itself, not of an array's element
	maxIndexedName = 256 // bytes; attributes with longer names are kept, but queries do not find them
	textKeyBytes   = 200 // PostgreSQL's index entries have to stay below 2,700 bytes
)

// indexAttributes writes the rows that queries look at: one for each attribute, and one for each scalar element of an array. What is inside of objects and
// of nested arrays is not indexed.
func (t *tx) indexAttributes(ctx context.Context, u auth.User) error {
	if len(u.Attributes) == 0 {
		return nil
	}
	attributes, err := plainJSON(u.Attributes)
	if err != nil {
		return err
	}
	for name, v := range attributes {
		if len(name) > maxIndexedName {
			continue
		}
		if err := t.indexValue(ctx, u, name, ownPlace, v); err != nil {
			return err
		}
		elements, _ := v.([]any)
		for i, element := range elements {
			if err := t.indexValue(ctx, u, name, i, element); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainJSON gives the values the types that JSON has, whatever Go types they had.
func plainJSON(attributes map[string]any) (map[string]any, error) {
	text, err := json.Marshal(attributes)
	if err != nil {
		return nil, fmt.Errorf("attributes: %w", err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("attributes: %w", err)
	}
	return plain, nil
}

func (t *tx) indexValue(ctx context.Context, u auth.User, name string, place int, v any) error {
	x := indexed(v)
	if place != ownPlace && (x.kind == kindArray || x.kind == kindObject) {
		return nil
	}
	_, err := t.q.exec(ctx, `INSERT INTO user_attributes (project, user_id, name, place, kind, text_key, text_value, number_value)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, u.Project, u.ID, name, place, x.kind, x.key, x.text, x.number)
	return err
}

// indexedValue is how a scalar is stored for comparison. Fields that do not apply are nil.
type indexedValue struct {
	kind              string
	key, text, number any
}

// indexed takes a value of a Condition or of decoded JSON.
func indexed(v any) indexedValue {
	switch v := v.(type) {
	case nil:
		return indexedValue{kind: kindNull}
	case bool:
		if v {
			return indexedValue{kind: kindBool, number: 1.0}
		}
		return indexedValue{kind: kindBool, number: 0.0}
	case float64:
		return indexedValue{kind: kindNumber, number: v}
	case string:
		return indexedValue{kind: kindText, key: textKey(v), text: v}
	case []any:
		return indexedValue{kind: kindArray}
	}
	return indexedValue{kind: kindObject}
}

// textKey cuts text for the index, between characters.
func textKey(s string) string {
	if len(s) <= textKeyBytes {
		return s
	}
	n := textKeyBytes
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
