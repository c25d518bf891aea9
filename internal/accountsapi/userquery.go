package accountsapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Bounds of a query.
const (
	maxConditions      = 20
	maxConditionValues = 100
	maxQueryValues     = 200 // of all conditions together
	maxAttributeName   = 64
	maxPage            = 1_000_000
)

// operators are the spellings that a where may use.
var operators = map[string]auth.Operator{
	"=": auth.OpEqual, "==": auth.OpEqual, "!=": auth.OpNotEqual, "<": auth.OpLess, "<=": auth.OpLessOrEqual, ">": auth.OpGreater, ">=": auth.OpGreaterOrEqual,
	"in": auth.OpIn, "not in": auth.OpNotIn, "not-in": auth.OpNotIn, "array-contains": auth.OpArrayContains, "array-contains-any": auth.OpArrayContainsAny,
}

// listOperators take a list of values.
var listOperators = map[auth.Operator]bool{auth.OpIn: true, auth.OpNotIn: true, auth.OpArrayContainsAny: true}

// parseUserQuery reads limit, page, sorted[param], sorted[how] and where. Other parameters are ignored.
func parseUserQuery(raw string) (q auth.UserQuery, page int, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil || !utf8.ValidString(raw) {
		return q, 0, web.Malformed("The query string does not parse")
	}
	one := func(name string) string {
		if len(values[name]) > 1 && err == nil {
			err = web.Malformed(fmt.Sprintf("The parameter %s must come once", name))
		}
		value := values.Get(name)
		if (!utf8.ValidString(value) || strings.ContainsRune(value, 0)) && err == nil {
			err = web.Malformed(fmt.Sprintf("The parameter %s must be text", name))
		}
		return value
	}
	limit, wantedPage, sortBy, how, where := one("limit"), one("page"), one("sorted[param]"), one("sorted[how]"), one("where")
	if err != nil {
		return q, 0, err
	}
	if q.Limit, err = wholeNumber("limit", limit, auth.DefaultPage, auth.MaxPage); err != nil {
		return q, 0, err
	}
	if page, err = wholeNumber("page", wantedPage, 1, maxPage); err != nil {
		return q, 0, err
	}
	q.Offset = (page - 1) * q.Limit
	if q.SortBy = sortBy; sortBy == "uid" || len(sortBy) > maxAttributeName {
		return q, 0, web.Malformed("The parameter sorted[param] must name an attribute")
	}
	if how != "" && how != "asc" && how != "desc" {
		return q, 0, web.Malformed("The parameter sorted[how] must be asc or desc")
	}
	q.Descending = how == "desc"
	q.Where, err = parseWhere(where)
	return q, page, err
}

func wholeNumber(name, text string, fallback, most int) (int, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, web.Malformed(fmt.Sprintf("The parameter %s must be a whole number from 1 to %d", name, most))
	}
	return n, nil
}

// parseWhere reads a JSON array of {attribute, operator, value}, or one such object alone.
func parseWhere(text string) ([]auth.Condition, error) {
	if text == "" {
		return nil, nil
	}
	var list []json.RawMessage
	switch trimmed := strings.TrimLeft(text, " \t\r\n"); {
	case strings.HasPrefix(trimmed, "{"):
		list = []json.RawMessage{json.RawMessage(text)}
	case !strings.HasPrefix(trimmed, "[") || json.Unmarshal([]byte(text), &list) != nil:
		return nil, web.Malformed("The parameter where must be a JSON array of conditions")
	}
	if len(list) > maxConditions {
		return nil, web.Malformed(fmt.Sprintf("The parameter where may have at most %d conditions", maxConditions))
	}
	conditions, values := make([]auth.Condition, len(list)), 0
	for i, raw := range list {
		condition, err := parseCondition(raw)
		if err != nil {
			return nil, web.Malformed(fmt.Sprintf("Condition %d of where: %v", i+1, err))
		}
		conditions[i] = condition
		if values += len(condition.Values); values > maxQueryValues {
			return nil, web.Malformed(fmt.Sprintf("The parameter where may have at most %d values", maxQueryValues))
		}
	}
	return conditions, nil
}

func parseCondition(raw json.RawMessage) (auth.Condition, error) {
	var members map[string]json.RawMessage // no struct: encoding/json would take its names in any case (P31)
	if err := json.Unmarshal(raw, &members); err != nil {
		return auth.Condition{}, fmt.Errorf("must be an object of attribute, operator and value")
	}
	attribute, ok := textOf(members["attribute"])
	if !ok || attribute == "" || len(attribute) > maxAttributeName || attribute == "uid" || strings.ContainsRune(attribute, 0) {
		return auth.Condition{}, fmt.Errorf("attribute must name an attribute")
	}
	spelling, ok := textOf(members["operator"])
	if !ok {
		return auth.Condition{}, fmt.Errorf("operator is missing or no text")
	}
	operator, ok := operators[spelling]
	if !ok {
		return auth.Condition{}, fmt.Errorf("the operator %q is unknown", cut(spelling))
	}
	if members["value"] == nil {
		return auth.Condition{}, fmt.Errorf("value is missing")
	}
	values, err := parseValues(members["value"], listOperators[operator])
	return auth.Condition{Attribute: attribute, Operator: operator, Values: values}, err
}

// textOf gives a JSON string; false for a member that is absent or anything else.
func textOf(raw json.RawMessage) (string, bool) {
	var text *string
	if raw == nil || json.Unmarshal(raw, &text) != nil || text == nil {
		return "", false
	}
	return *text, true
}

func cut(s string) string {
	if len(s) > 32 {
		return s[:32]
	}
	return s
}

func parseValues(raw json.RawMessage, list bool) ([]any, error) {
	if !list {
		value, err := parseScalar(raw)
		return []any{value}, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || len(items) == 0 || len(items) > maxConditionValues {
		return nil, fmt.Errorf("value must be a list of 1 to %d values", maxConditionValues)
	}
	values := make([]any, len(items))
	for i, item := range items {
		value, err := parseScalar(item)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

func parseScalar(raw json.RawMessage) (any, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, fmt.Errorf("value does not parse")
	}
	switch v := value.(type) {
	case nil, bool, float64:
		return v, nil
	case string:
		if strings.ContainsRune(v, 0) {
			return nil, fmt.Errorf("value must not contain NUL")
		}
		return v, nil
	}
	return nil, fmt.Errorf("value must be text, a number, true, false or null")
}

// decodeTwice reads one body into a struct of the fields whose types are known and into a map of everything.
func decodeTwice(r *http.Request, known, all any) error {
	var body bytes.Buffer
	r.Body = io.NopCloser(io.TeeReader(r.Body, &body))
	if err := decode(r, known, ""); err != nil {
		return err
	}
	r.Body = io.NopCloser(&body)
	return decode(r, all, "")
}
