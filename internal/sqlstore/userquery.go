package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

var (
	errUnknownState    = errors.New("unknown user state")
	errUnknownOperator = errors.New("unknown operator")
	errValues          = errors.New("wrong number of values")
	errValueType       = errors.New("a value is a string, float64, bool or nil")
)

// comparisons are the operators that compare by order.
var comparisons = map[auth.Operator]string{auth.OpLess: ` < `, auth.OpLessOrEqual: ` <= `, auth.OpGreater: ` > `, auth.OpGreaterOrEqual: ` >= `}

// maxConditionValues keeps a statement below the engines' bounds on parameters.
const maxConditionValues = 1000

// never is a condition that no record meets, always one that all do.
const (
	never  = `1 = 0`
	always = `1 = 1`
)

// QueryUsers compiles the query to SQL in which every name and value from outside is a parameter (P32). It fails on an unknown operator.
func (r reader) QueryUsers(ctx context.Context, p auth.ProjectID, q auth.UserQuery) ([]auth.User, int, error) {
	b := &builder{args: []any{p}}
	b.write(` FROM users u WHERE u.project = $1`)
	if q.Only != "" {
		b.write(` AND u.id = `, b.arg(q.Only))
	}
	for _, c := range q.Where {
		condition, err := compile(b, c)
		if err != nil {
			return nil, 0, fmt.Errorf("condition on %.60q: %w", c.Attribute, err)
		}
		b.write(` AND `, condition)
	}
	matching := b.text.String()
	total, err := get(ctx, r.q, value[int], `SELECT COUNT(*)`+matching, b.args...)
	if err != nil {
		return nil, 0, err
	}
	order := strings.Join(attributeOf(b, q.SortBy).order(q.Descending), `, `)
	page := ` ORDER BY ` + order + ` LIMIT ` + b.arg(max(0, q.Limit)) + ` OFFSET ` + b.arg(max(0, q.Offset))
	const size = `, OCTET_LENGTH(u.attributes) + OCTET_LENGTH(u.roles) + OCTET_LENGTH(u.name)`
	users, err := listBounded(ctx, r.q, q.MaxBytes, `SELECT `+userColumns+size+matching+page, b.args)
	return users, total, err
}

// recordBytes is what a record's other fields take in an answer, at most.
const recordBytes = 768

// listBounded reads users with the size of each in a last column, and stops with ErrTooLarge where all take more than most bytes; 0 does not bound.
func listBounded(ctx context.Context, q *querier, most int, statement string, args []any) ([]auth.User, error) {
	type sized struct {
		auth.User
		bytes int
	}
	taken := 0
	check := func(s sized) error {
		taken += s.bytes + recordBytes
		if most > 0 && taken > most {
			return auth.ErrTooLarge
		}
		return nil
	}
	found, err := listWhile(ctx, q, check, func(s *sized) []any { return append(userFields(&s.User), &s.bytes) }, statement, args...)
	if err != nil {
		return nil, err
	}
	var users []auth.User
	for _, s := range found {
		users = append(users, s.User)
	}
	return users, nil
}

// compile gives the SQL of one condition.
func compile(b *builder, c auth.Condition) (string, error) {
	if err := checkValues(c); err != nil {
		return "", err
	}
	a := attributeOf(b, c.Attribute)
	switch c.Operator {
	case auth.OpEqual:
		return a.equals(c.Values[0]), nil
	case auth.OpNotEqual:
		return `(` + a.present() + ` AND NOT ` + a.equals(c.Values[0]) + `)`, nil
	case auth.OpLess, auth.OpLessOrEqual, auth.OpGreater, auth.OpGreaterOrEqual:
		return a.compares(comparisons[c.Operator], c.Values[0]), nil
	case auth.OpIn:
		return anyOf(a.equals, c.Values), nil
	case auth.OpNotIn:
		return `(` + a.present() + ` AND NOT ` + anyOf(a.equals, c.Values) + `)`, nil
	case auth.OpArrayContains, auth.OpArrayContainsAny:
		return anyOf(a.contains, c.Values), nil
	}
	return "", errUnknownOperator
}

func checkValues(c auth.Condition) error {
	switch c.Operator {
	case auth.OpIn, auth.OpNotIn, auth.OpArrayContainsAny:
		if len(c.Values) == 0 || len(c.Values) > maxConditionValues {
			return errValues
		}
	default:
		if len(c.Values) != 1 {
			return errValues
		}
	}
	for _, v := range c.Values {
		switch v.(type) {
		case nil, bool, float64, string:
		default:
			return errValueType
		}
	}
	return nil
}

func anyOf(test func(any) string, values []any) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = test(v)
	}
	return `(` + strings.Join(parts, ` OR `) + `)`
}

// attribute writes SQL about one attribute of the users u.
type attribute interface {
	present() string
	equals(v any) string
	compares(operator string, v any) string
	contains(v any) string
	// order gives the terms to sort by, with the uid at last.
	order(descending bool) []string
}

// attributeOf finds a built-in attribute, or takes the name for a custom one; "" is the creation.
func attributeOf(b *builder, name string) attribute {
	switch name {
	case "", "createdAt":
		return column{b, `u.created_at`, always, instantValue}
	case "updatedAt":
		return column{b, `u.updated_at`, always, instantValue}
	case "email":
		return column{b, `u.email`, `u.email IS NOT NULL`, textValue}
	case "name":
		return column{b, `u.name`, `u.name <> ''`, textValue}
	case "author":
		return column{b, `u.author`, `u.author <> ''`, textValue}
	case "emailVerified":
		return column{b, `u.email_verified`, always, boolValue}
	case "disabled":
		return column{b, `u.disabled`, always, boolValue}
	case "roles":
		return rolesAttribute{column{b, `u.roles`, always, noValue}}
	}
	return customAttribute{b, name}
}

// column is an attribute with a column of its own.
type column struct {
	b          *builder
	name       string
	whenStored string
	// convert gives the stored form of a value of the column's type; false for values of other types.
	convert func(any) (any, bool)
}

func (c column) present() string { return c.whenStored }

func (c column) equals(v any) string { return c.compares(` = `, v) }

func (c column) compares(operator string, v any) string {
	stored, ok := c.convert(v)
	if !ok {
		return never
	}
	return `(` + c.whenStored + ` AND ` + c.name + operator + c.b.arg(stored) + `)`
}

func (c column) contains(any) string { return never }

func (c column) order(descending bool) []string {
	terms := directed(descending, c.name, `u.id`)
	if c.whenStored == always {
		return terms
	}
	return append([]string{`CASE WHEN ` + c.whenStored + ` THEN 0 ELSE 1 END`}, terms...)
}

func directed(descending bool, terms ...string) []string {
	if descending {
		for i := range terms {
			terms[i] += ` DESC`
		}
	}
	return terms
}

func textValue(v any) (any, bool) {
	s, ok := v.(string)
	return s, ok
}

func boolValue(v any) (any, bool) {
	b, ok := v.(bool)
	return b, ok
}

// maxInstant is 2^53 milliseconds, beyond every instant that is stored and exact as a float64.
const maxInstant = 1 << 53

// instantValue takes RFC 3339 text or unix milliseconds.
func instantValue(v any) (any, bool) {
	switch v := v.(type) {
	case float64:
		return int64(max(-maxInstant, min(v, maxInstant))), true
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		return t.UnixMilli(), err == nil
	}
	return nil, false
}

func noValue(any) (any, bool) { return nil, false }

// rolesAttribute is the list of the user's role uids.
type rolesAttribute struct{ column }

func (r rolesAttribute) contains(v any) string {
	role, ok := v.(string)
	if !ok {
		return never
	}
	return `u.id IN (SELECT user_id FROM user_roles WHERE project = $1 AND role_id = ` + r.b.arg(role) + `)`
}

// customAttribute lives in user_attributes.
type customAttribute struct {
	b    *builder
	name string
}

// where gives the condition that the user has a row of the attribute that meets the test.
func (c customAttribute) where(test string) string {
	return `u.id IN (SELECT a.user_id FROM user_attributes a WHERE a.project = $1 AND a.name = ` + c.b.arg(c.name) + ` AND ` + test + `)`
}

func (c customAttribute) present() string { return c.where(`a.place = -1`) }

func (c customAttribute) equals(v any) string {
	return c.where(`a.place = -1 AND ` + c.matches(` = `, v))
}

func (c customAttribute) contains(v any) string {
	return c.where(`a.place >= 0 AND ` + c.matches(` = `, v))
}

func (c customAttribute) compares(operator string, v any) string {
	if v == nil {
		return never
	}
	return c.where(`a.place = -1 AND ` + c.matches(operator, v))
}

// matches compares a row with a value of the same kind. Equal text has an equal key, which the index finds.
func (c customAttribute) matches(operator string, v any) string {
	x := indexed(v)
	test := `a.kind = ` + c.b.arg(x.kind)
	switch {
	case x.number != nil:
		test += ` AND a.number_value` + operator + c.b.arg(x.number)
	case x.text != nil:
		test += ` AND a.text_value` + operator + c.b.arg(x.text)
		if operator == ` = ` {
			test += ` AND a.text_key = ` + c.b.arg(x.key)
		}
	}
	return test
}

// order: null, bool, number, text, then arrays and objects; records without the attribute come last in both directions.
func (c customAttribute) order(descending bool) []string {
	own := func(field string) string {
		return `(SELECT ` + field + ` FROM user_attributes a WHERE a.project = u.project AND a.user_id = u.id AND a.name = ` + c.b.arg(c.name) + ` AND a.place = -1)`
	}
	missing := `CASE WHEN ` + own(`a.kind`) + ` IS NULL THEN 1 ELSE 0 END`
	rank := own(`CASE a.kind WHEN 'z' THEN 0 WHEN 'b' THEN 1 WHEN 'n' THEN 2 WHEN 's' THEN 3 ELSE 4 END`)
	return append([]string{missing}, directed(descending, rank, own(`a.number_value`), own(`a.text_value`), `u.id`)...)
}
