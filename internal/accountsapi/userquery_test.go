package accountsapi

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// wantMalformed checks a 422 with a detail.
func wantMalformed(t *testing.T, what string, err error, detail string) {
	t.Helper()
	var refused *web.Error
	if !errors.As(err, &refused) || refused.Status != 422 || refused.Detail != detail {
		t.Errorf("%s: got %v, want 422 %s", what, err, detail)
	}
}

func TestParseUserQuery(t *testing.T) {
	for raw, want := range map[string]auth.UserQuery{
		"":                                  {Limit: 50},
		"limit=&page=&where=":               {Limit: 50},
		"limit=1":                           {Limit: 1},
		"limit=1000&page=3":                 {Limit: 1000, Offset: 2000},
		"page=1000000":                      {Limit: 50, Offset: 999_999 * 50},
		"sorted[param]=name":                {Limit: 50, SortBy: "name"},
		"sorted%5Bparam%5D=name":            {Limit: 50, SortBy: "name"},
		"sorted[param]=a b&sorted[how]=asc": {Limit: 50, SortBy: "a b"},
		"sorted[param]=createdAt&sorted[how]=desc":         {Limit: 50, SortBy: "createdAt", Descending: true},
		"sorted[how]=desc":                                 {Limit: 50, Descending: true},
		"unknown=1&unknown=2&sorted[other]=x":              {Limit: 50},
		"sorted[param]=%27%3B%20DROP%20TABLE%20users--":    {Limit: 50, SortBy: "'; DROP TABLE users--"},
		"sorted[param]=" + strings.Repeat("a", 64):         {Limit: 50, SortBy: strings.Repeat("a", 64)},
		"where=" + url.QueryEscape(`[]`):                   {Limit: 50, Where: []auth.Condition{}},
		"where=" + url.QueryEscape(condition("a", "=", 1)): {Limit: 50, Where: []auth.Condition{{Attribute: "a", Operator: "=", Values: []any{1.0}}}},
	} {
		got, page, err := parseUserQuery(raw)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", raw, diff)
		}
		if want := want.Offset/want.Limit + 1; page != want {
			t.Errorf("%q: page %d, want %d", raw, page, want)
		}
	}
}

func TestParseUserQueryRefuses(t *testing.T) {
	const limit, page = "The parameter limit must be a whole number from 1 to 1000", "The parameter page must be a whole number from 1 to 1000000"
	const sortBy, how = "The parameter sorted[param] must name an attribute", "The parameter sorted[how] must be asc or desc"
	for raw, detail := range map[string]string{
		"limit=0":                         limit,
		"limit=-1":                        limit,
		"limit=1001":                      limit,
		"limit=1.5":                       limit,
		"limit=ten":                       limit,
		"limit=%201":                      limit,
		"limit=99999999999999999999":      limit,
		"page=0":                          page,
		"page=1000001":                    page,
		"page=9223372036854775807":        page,
		"limit=1&limit=2":                 "The parameter limit must come once",
		"page=1&page=1":                   "The parameter page must come once",
		"where=[]&where=[]":               "The parameter where must come once",
		"sorted[param]=a&sorted[param]=b": "The parameter sorted[param] must come once",
		"sorted[how]=asc&sorted[how]=asc": "The parameter sorted[how] must come once",
		"sorted[param]=uid":               sortBy,
		"sorted[param]=" + strings.Repeat("a", 65): sortBy,
		"sorted[how]=up":    how,
		"sorted[how]=ASC":   how,
		"sorted[param]=%00": "The parameter sorted[param] must be text",
		"sorted[param]=%ff": "The parameter sorted[param] must be text",
		"where=%ff":         "The parameter where must be text",
		"limit=%zz":         "The query string does not parse",
		"limit=1;page=2":    "The query string does not parse",
		"where=\xff":        "The query string does not parse",
	} {
		_, _, err := parseUserQuery(raw)
		wantMalformed(t, raw, err, detail)
	}
}

// condition writes one condition.
func condition(attribute, operator string, value any) string {
	encoded, err := json.Marshal(map[string]any{"attribute": attribute, "operator": operator, "value": value})
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func TestParseWhere(t *testing.T) {
	one := func(operator auth.Operator, values ...any) []auth.Condition {
		return []auth.Condition{{Attribute: "a", Operator: operator, Values: values}}
	}
	list := []any{"x", 1, true, nil}
	parsed := []any{"x", 1.0, true, nil}
	for text, want := range map[string][]auth.Condition{
		"":                                         nil,
		"[]":                                       {},
		" \t\r\n[ ] ":                              {},
		condition("a", "=", "x"):                   one(auth.OpEqual, "x"),
		" " + condition("a", "==", 1) + " ":        one(auth.OpEqual, 1.0),
		condition("a", "!=", nil):                  one(auth.OpNotEqual, nil),
		condition("a", "<", -1.5):                  one(auth.OpLess, -1.5),
		condition("a", "<=", ""):                   one(auth.OpLessOrEqual, ""),
		condition("a", ">", false):                 one(auth.OpGreater, false),
		condition("a", ">=", 1e300):                one(auth.OpGreaterOrEqual, 1e300),
		condition("a", "in", list):                 one(auth.OpIn, parsed...),
		condition("a", "not in", list):             one(auth.OpNotIn, parsed...),
		condition("a", "not-in", list):             one(auth.OpNotIn, parsed...),
		condition("a", "array-contains", "x"):      one(auth.OpArrayContains, "x"),
		condition("a", "array-contains-any", list): one(auth.OpArrayContainsAny, parsed...),
		`[{"value":"x","operator":"=","attribute":"a","more":{}}]`:                        one(auth.OpEqual, "x"),
		`[{"attribute":"\u0061","operator":"\u003d","value":"\u00e9"}]`:                   one(auth.OpEqual, "é"),
		"[" + condition("a", "=", "x") + "," + condition("b c", "=", "' OR '1'='1") + "]": append(one(auth.OpEqual, "x"), auth.Condition{Attribute: "b c", Operator: auth.OpEqual, Values: []any{"' OR '1'='1"}}),
		condition(strings.Repeat("a", 64), "=", 1):                                        {{Attribute: strings.Repeat("a", 64), Operator: auth.OpEqual, Values: []any{1.0}}},
	} {
		got, err := parseWhere(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", text, diff)
		}
	}
}

func TestParseWhereRefuses(t *testing.T) {
	const array, first = "The parameter where must be a JSON array of conditions", "Condition 1 of where: "
	const object, attribute = first + "must be an object of attribute, operator and value", first + "attribute must name an attribute"
	const values = first + "value must be a list of 1 to 100 values"
	const scalar = first + "value must be text, a number, true, false or null"
	good := condition("a", "=", 1)
	for text, detail := range map[string]string{
		"null": array, "x": array, "1": array, `"[]"`: array, "[": array, "[" + good: array, "[]]": array, "[],": array, "\ufeff[]": array, " ": array,
		"{": object, good + good: object, "[1]": object, `["a"]`: object, "[[]]": object, "[[" + good + "]]": object,
		"{}": attribute, "[null]": attribute, "[{}]": attribute,
		condition("", "=", 1):                                  attribute,
		condition("uid", "=", 1):                               attribute,
		condition("a\x00", "=", 1):                             attribute,
		condition(strings.Repeat("a", 65), "=", 1):             attribute,
		`{"attribute":1,"operator":"=","value":1}`:             attribute,
		`{"attribute":null,"operator":"=","value":1}`:          attribute,
		`{"Attribute":"a","operator":"=","value":1}`:           attribute,
		`{"attribute":"a","value":1}`:                          first + "operator is missing or no text",
		`{"attribute":"a","operator":1,"value":1}`:             first + "operator is missing or no text",
		`{"attribute":"a","operator":null,"value":1}`:          first + "operator is missing or no text",
		condition("a", "", 1):                                  first + `the operator "" is unknown`,
		condition("a", "~", 1):                                 first + `the operator "~" is unknown`,
		condition("a", "IN", []int{1}):                         first + `the operator "IN" is unknown`,
		condition("a", "=\n", 1):                               first + `the operator "=\n" is unknown`,
		condition("a", strings.Repeat("<", 4000), 1):           first + `the operator "` + strings.Repeat("<", 32) + `" is unknown`,
		`{"attribute":"a","operator":"="}`:                     first + "value is missing",
		condition("a", "=", []int{1}):                          scalar,
		condition("a", "=", map[string]int{"$ne": 1}):          scalar,
		condition("a", "array-contains", []int{1}):             scalar,
		condition("a", "in", []any{[]int{1}}):                  scalar,
		condition("a", "=", "x\x00"):                           first + "value must not contain NUL",
		condition("a", "in", []string{"x", "\x00"}):            first + "value must not contain NUL",
		`{"attribute":"a","operator":"=","value":1e999}`:       first + "value does not parse",
		condition("a", "in", 1):                                values,
		condition("a", "in", "x"):                              values,
		condition("a", "in", nil):                              values,
		condition("a", "not in", []int{}):                      values,
		condition("a", "array-contains-any", make([]int, 101)): values,
		"[" + good + "," + condition("a", "~", 1) + "]":        `Condition 2 of where: the operator "~" is unknown`,
		"[" + strings.Repeat(good+",", 20) + good + "]":        "The parameter where may have at most 20 conditions",
		strings.Repeat("[", 100_000):                           array,
	} {
		_, err := parseWhere(text)
		wantMalformed(t, text[:min(len(text), 200)], err, detail)
	}
}

// FuzzParseWhere: whatever comes, the domain gets only conditions within bounds, and they mean the same when they are written down and read again.
func FuzzParseWhere(f *testing.F) {
	for _, seed := range []string{
		"", "[]", "null", "{}", "[null]", condition("a", "=", "x"), "[" + condition("a", "in", []any{"x", 1, nil}) + "," + condition("b", "not in", []bool{true}) + "]",
		condition("a", "array-contains-any", []string{"é", "\x00"}), `{"attribute":"a","attribute":"uid","operator":"=","value":1}`, `[{"attribute":"\ud800","operator":"=","value":"\udfff"}]`,
		`{"attribute":"a","operator":"=","value":1e999}`, `{"attribute":"a","operator":"<","value":-0}`, strings.Repeat("[", 64), "[{\"attribute\":\"\xff\",\"operator\":\"=\",\"value\":\"\xff\"}]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		conditions, err := parseWhere(text)
		if err != nil {
			var refused *web.Error
			if !errors.As(err, &refused) || refused.Status != 422 || len(refused.Detail) > 300 || !utf8.ValidString(refused.Detail) {
				t.Fatalf("%q: refused by %v", text, err)
			}
			return
		}
		if len(conditions) > maxConditions {
			t.Fatalf("%q: %d conditions", text, len(conditions))
		}
		for _, c := range conditions {
			checkCondition(t, c)
		}
		again, err := parseWhere(writeWhere(t, conditions))
		if err != nil || !cmp.Equal(conditions, again) {
			t.Fatalf("%q: read again: %v %v", text, err, cmp.Diff(conditions, again))
		}
	})
}

func checkCondition(t *testing.T, c auth.Condition) {
	t.Helper()
	if c.Attribute == "" || c.Attribute == "uid" || len(c.Attribute) > maxAttributeName || !isStorable(c.Attribute) {
		t.Fatalf("attribute %q", c.Attribute)
	}
	most := 1
	if listOperators[c.Operator] {
		most = maxConditionValues
	}
	if operators[string(c.Operator)] != c.Operator || len(c.Values) < 1 || len(c.Values) > most {
		t.Fatalf("operator %q with %d values", c.Operator, len(c.Values))
	}
	for _, value := range c.Values {
		switch v := value.(type) {
		case nil, bool, float64:
		case string:
			if !isStorable(v) {
				t.Fatalf("value %q", v)
			}
		default:
			t.Fatalf("value of type %T", v)
		}
	}
}

// isStorable tells whether PostgreSQL keeps the text.
func isStorable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// writeWhere prints conditions as a client would.
func writeWhere(t *testing.T, conditions []auth.Condition) string {
	t.Helper()
	if conditions == nil {
		return ""
	}
	list := make([]string, len(conditions))
	for i, c := range conditions {
		var value any = c.Values
		if !listOperators[c.Operator] {
			value = c.Values[0]
		}
		list[i] = condition(c.Attribute, string(c.Operator), value)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// TestOperatorsAreTheDomains: every operator of the domain has a spelling, its own.
func TestOperatorsAreTheDomains(t *testing.T) {
	for _, o := range []auth.Operator{
		auth.OpEqual, auth.OpNotEqual, auth.OpLess, auth.OpLessOrEqual, auth.OpGreater, auth.OpGreaterOrEqual, auth.OpIn, auth.OpNotIn, auth.OpArrayContains, auth.OpArrayContainsAny,
	} {
		if operators[string(o)] != o {
			t.Errorf("operator %s cannot be asked for", o)
		}
	}
	if len(operators) != 12 {
		t.Errorf("%s spellings, want the contract's 12", strconv.Itoa(len(operators)))
	}
}

// All conditions together are bounded, not only each: what a query costs is their product with the users.
func TestWhereIsBoundedInAll(t *testing.T) {
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 80), ",") + "]"
	condition := `{"attribute":"age","operator":"not-in","value":` + list + `}`
	if _, err := parseWhere("[" + condition + "," + condition + "]"); err != nil {
		t.Errorf("160 values: %v", err)
	}
	_, err := parseWhere("[" + condition + "," + condition + "," + condition + "]")
	if err == nil || !strings.Contains(err.Error(), "at most 200 values") {
		t.Errorf("240 values: %v", err)
	}
}
