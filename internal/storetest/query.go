package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// longText shares the beginning that an index may be limited to with another value.
var longText = strings.Repeat("ä", 3000)

func addQueried(t *testing.T, s auth.Store) {
	t.Helper()
	addProjects(t, s, one, two)
	addRoles(t, s, "editor", "viewer")
	users := []auth.User{
		{ID: "u1", Email: "u1@x.example", Name: "Ann", EmailVerified: true, Roles: []auth.RoleID{"editor", "viewer"}, Author: "u2", UpdatedAt: after(1),
			Attributes: map[string]any{"age": 10.0, "tags": []any{"a", "b", 1.0}, "mixed": 5.0, "long": longText + "1", "ok": true, "gone": nil}},
		{ID: "u2", Email: "u2@x.example", Name: "Bob", Disabled: true, Roles: []auth.RoleID{"viewer"}, UpdatedAt: after(2),
			Attributes: map[string]any{"age": 20, "tags": []string{"b"}, "mixed": "5", "long": longText + "2", "ok": false}},
		{ID: "u3", UpdatedAt: after(3), Attributes: map[string]any{"age": 10.5, "tags": "a", "mixed": true, "nested": map[string]any{"age": 10.0}}},
		{ID: "u4", Name: "Zoe", UpdatedAt: after(4), Attributes: map[string]any{"mixed": nil, "tags": []any{nil, true, []any{"a"}}}},
		{ID: "u5", Name: "ann", UpdatedAt: after(5)},
	}
	update(t, s, func(tx auth.Tx) error {
		for i, u := range users {
			u.Project, u.CreatedAt = one, after(i)
			if err := tx.CreateUser(t.Context(), u); err != nil {
				return err
			}
		}
		return tx.CreateUser(t.Context(), auth.User{Project: two, ID: "u1", Name: "Ann", Attributes: map[string]any{"age": 10.0}})
	})
}

// testQueryUsersBounded: a page over MaxBytes is an error, not a part of it.
func testQueryUsersBounded(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	update(t, s, func(tx auth.Tx) error {
		for _, id := range []auth.UserID{"u1", "u2", "u3"} {
			if err := tx.CreateUser(t.Context(), auth.User{Project: one, ID: id, Attributes: map[string]any{"text": strings.Repeat("ä", 5000)}}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, tt := range []struct {
		limit, most int
		want        error
	}{{3, 0, nil}, {3, 40_000, nil}, {3, 25_000, auth.ErrTooLarge}, {2, 25_000, nil}} {
		users, total, err := s.QueryUsers(t.Context(), one, auth.UserQuery{Limit: tt.limit, MaxBytes: tt.most})
		if tt.want != nil {
			wantError(t, "QueryUsers", err, tt.want)
		} else if err != nil || len(users) != tt.limit || total != 3 {
			t.Errorf("%d of %d users within %d bytes: %d, %v", tt.limit, total, tt.most, len(users), err)
		}
	}
}

func testQueryUsers(t *testing.T, s auth.Store) {
	addQueried(t, s)
	values := func(v ...any) []any { return v }
	tests := []struct {
		attribute string
		operator  auth.Operator
		values    []any
		want      string
	}{
		{"age", auth.OpEqual, values(10.0), "u1"},
		{"age", auth.OpEqual, values("10"), ""},
		{"age", auth.OpNotEqual, values(10.0), "u2 u3"},
		{"age", auth.OpNotEqual, values("10"), "u1 u2 u3"},
		{"age", auth.OpLess, values(10.5), "u1"},
		{"age", auth.OpLessOrEqual, values(10.5), "u1 u3"},
		{"age", auth.OpGreater, values(10.0), "u2 u3"},
		{"age", auth.OpGreaterOrEqual, values(10.0), "u1 u2 u3"},
		{"age", auth.OpGreater, values("a"), ""},
		{"age", auth.OpGreater, values(nil), ""},
		{"age", auth.OpIn, values(10.0, 20.0, "x"), "u1 u2"},
		{"age", auth.OpNotIn, values(10.0, 20.0), "u3"},
		{"mixed", auth.OpEqual, values("5"), "u2"},
		{"mixed", auth.OpEqual, values(5.0), "u1"},
		{"mixed", auth.OpEqual, values(true), "u3"},
		{"mixed", auth.OpEqual, values(nil), "u4"},
		{"mixed", auth.OpNotEqual, values(nil), "u1 u2 u3"},
		{"mixed", auth.OpIn, values(nil, 5.0), "u1 u4"},
		{"gone", auth.OpEqual, values(nil), "u1"},
		{"ok", auth.OpEqual, values(false), "u2"},
		{"ok", auth.OpEqual, values(0.0), ""},
		{"long", auth.OpEqual, values(longText + "2"), "u2"},
		{"long", auth.OpNotEqual, values(longText + "2"), "u1"},
		{"long", auth.OpGreater, values(longText + "1"), "u2"},
		{"long", auth.OpEqual, values(longText), ""},
		{"nested", auth.OpEqual, values(10.0), ""},
		{"nested", auth.OpNotEqual, values(10.0), "u3"},
		{"nested.age", auth.OpEqual, values(10.0), ""},
		{"tags", auth.OpEqual, values("a"), "u3"},
		{"tags", auth.OpNotEqual, values("a"), "u1 u2 u4"},
		{"tags", auth.OpArrayContains, values("a"), "u1"},
		{"tags", auth.OpArrayContains, values("b"), "u1 u2"},
		{"tags", auth.OpArrayContains, values(1.0), "u1"},
		{"tags", auth.OpArrayContains, values(nil), "u4"},
		{"tags", auth.OpArrayContains, values(true), "u4"},
		{"tags", auth.OpArrayContainsAny, values("a", true), "u1 u4"},
		{"age", auth.OpArrayContains, values(10.0), ""},
		{"nosuch", auth.OpNotEqual, values("x"), ""},
		{"' OR 1=1 --", auth.OpEqual, values("' OR 1=1 --"), ""},
		{strings.Repeat("n", 4000), auth.OpEqual, values("x"), ""},
		{"email", auth.OpEqual, values("u2@x.example"), "u2"},
		{"email", auth.OpNotEqual, values("u2@x.example"), "u1"},
		{"email", auth.OpNotIn, values("u1@x.example", "u2@x.example"), ""},
		{"name", auth.OpEqual, values("Ann"), "u1"},
		{"name", auth.OpLess, values("a"), "u1 u2 u4"},
		{"name", auth.OpGreaterOrEqual, values("Bob"), "u2 u4 u5"},
		{"name", auth.OpEqual, values(1.0), ""},
		{"name", auth.OpEqual, values(""), ""},
		{"author", auth.OpEqual, values("u2"), "u1"},
		{"author", auth.OpNotEqual, values("u1"), "u1"},
		{"roles", auth.OpArrayContains, values("viewer"), "u1 u2"},
		{"roles", auth.OpArrayContainsAny, values("editor", "nosuch", 1.0), "u1"},
		{"roles", auth.OpEqual, values("viewer"), ""},
		{"emailVerified", auth.OpEqual, values(true), "u1"},
		{"emailVerified", auth.OpNotEqual, values(true), "u2 u3 u4 u5"},
		{"disabled", auth.OpEqual, values(true), "u2"},
		{"disabled", auth.OpEqual, values("true"), ""},
		{"createdAt", auth.OpLess, values(after(2).Format(time.RFC3339Nano)), "u1 u2"},
		{"createdAt", auth.OpEqual, values(float64(after(2).UnixMilli())), "u3"},
		{"createdAt", auth.OpLess, values(1e300), "u1 u2 u3 u4 u5"},
		{"createdAt", auth.OpGreater, values("yesterday"), ""},
		{"updatedAt", auth.OpGreaterOrEqual, values(after(4).In(time.FixedZone("", 3600)).Format(time.RFC3339Nano)), "u4 u5"},
	}
	for _, test := range tests {
		condition := auth.Condition{Attribute: test.attribute, Operator: test.operator, Values: test.values}
		users, total, err := s.QueryUsers(t.Context(), one, auth.UserQuery{Where: []auth.Condition{condition}, Limit: 10})
		if err != nil {
			t.Errorf("%.20s %s %.20v: %v", test.attribute, test.operator, test.values, err)
			continue
		}
		if got := strings.Join(userIDs(users), " "); got != test.want || total != len(users) {
			t.Errorf("%.20s %s %.20v: got %q and total %d, want %q", test.attribute, test.operator, test.values, got, total, test.want)
		}
	}

	both := []auth.Condition{
		{Attribute: "age", Operator: auth.OpGreater, Values: []any{5.0}},
		{Attribute: "tags", Operator: auth.OpArrayContains, Values: []any{"b"}},
		{Attribute: "disabled", Operator: auth.OpEqual, Values: []any{false}},
	}
	users, total, err := s.QueryUsers(t.Context(), one, auth.UserQuery{Where: both, Limit: 10})
	wantError(t, "joined conditions", err, nil)
	wantEqual(t, "joined conditions", userIDs(users), []string{"u1"})
	wantEqual(t, "their total", total, 1)

	users, total, err = s.QueryUsers(t.Context(), one, auth.UserQuery{Only: "u2", Limit: 10})
	wantError(t, "only one user", err, nil)
	wantEqual(t, "only one user", userIDs(users), []string{"u2"})
	wantEqual(t, "its total", total, 1)
}

func testQueryUsersSorts(t *testing.T, s auth.Store) {
	addQueried(t, s)
	tests := []struct {
		by         string
		descending bool
		want       string
	}{
		{"", false, "u1 u2 u3 u4 u5"},
		{"", true, "u5 u4 u3 u2 u1"},
		{"createdAt", true, "u5 u4 u3 u2 u1"},
		{"updatedAt", false, "u1 u2 u3 u4 u5"},
		{"email", true, "u2 u1 u5 u4 u3"}, // without an address: last, by uid
		{"email", false, "u1 u2 u3 u4 u5"},
		{"name", false, "u1 u2 u4 u5 u3"},
		{"name", true, "u5 u4 u2 u1 u3"},
		{"disabled", true, "u2 u5 u4 u3 u1"},
		{"age", false, "u1 u3 u2 u4 u5"},
		{"age", true, "u2 u3 u1 u5 u4"},
		{"mixed", false, "u4 u3 u1 u2 u5"}, // null, bool, number, text, none
		{"mixed", true, "u2 u1 u3 u4 u5"},
		{"nosuch", false, "u1 u2 u3 u4 u5"},
		{"u.id; DROP TABLE users", false, "u1 u2 u3 u4 u5"},
	}
	for _, test := range tests {
		users, total, err := s.QueryUsers(t.Context(), one, auth.UserQuery{SortBy: test.by, Descending: test.descending, Limit: 10})
		if got := strings.Join(userIDs(users), " "); err != nil || got != test.want || total != 5 {
			t.Errorf("by %q, descending %v: got %q and total %d (%v), want %q", test.by, test.descending, got, total, err, test.want)
		}
		page, total, err := s.QueryUsers(t.Context(), one, auth.UserQuery{SortBy: test.by, Descending: test.descending, Limit: 2, Offset: 3})
		if got := strings.Join(userIDs(page), " "); err != nil || !strings.HasSuffix(test.want, got) || len(page) != 2 || total != 5 {
			t.Errorf("by %q, descending %v: second page %q and total %d (%v) of %q", test.by, test.descending, got, total, err, test.want)
		}
	}
	beyond, total, err := s.QueryUsers(t.Context(), one, auth.UserQuery{Limit: 2, Offset: 30})
	if err != nil || len(beyond) != 0 || total != 5 {
		t.Errorf("beyond the end: %d users, total %d, %v", len(beyond), total, err)
	}
}

func testQueryUsersFollowsChanges(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	query := func(attribute string, operator auth.Operator, v any) int {
		t.Helper()
		_, total, err := s.QueryUsers(ctx, one, auth.UserQuery{Where: []auth.Condition{{Attribute: attribute, Operator: operator, Values: []any{v}}}})
		if err != nil {
			t.Fatal(err)
		}
		return total
	}
	user := auth.User{Project: one, ID: anna, Attributes: map[string]any{"a": "old", "list": []any{"x"}}}
	update(t, s, func(tx auth.Tx) error { return tx.CreateUser(ctx, user) })
	user.Attributes = map[string]any{"a": "new", "b": 1.0}
	update(t, s, func(tx auth.Tx) error { return tx.UpdateUser(ctx, user) })
	user.Name = "Anna" // attributes stay
	update(t, s, func(tx auth.Tx) error { return tx.UpdateUser(ctx, user) })
	wantEqual(t, "old value", query("a", auth.OpEqual, "old"), 0)
	wantEqual(t, "new value", query("a", auth.OpEqual, "new"), 1)
	wantEqual(t, "new attribute", query("b", auth.OpEqual, 1.0), 1)
	wantEqual(t, "dropped attribute", query("list", auth.OpArrayContains, "x"), 0)
	update(t, s, func(tx auth.Tx) error { return tx.DeleteUser(ctx, one, anna) })
	wantEqual(t, "after deletion", query("a", auth.OpEqual, "new"), 0)
}

func testQueryUsersRefuses(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	for _, c := range []auth.Condition{
		{Attribute: "a", Operator: "like", Values: []any{"x"}},
		{Attribute: "a", Operator: "= 1 OR", Values: []any{"x"}},
		{Attribute: "a", Operator: auth.OpEqual},
		{Attribute: "a", Operator: auth.OpEqual, Values: []any{1.0, 2.0}},
		{Attribute: "a", Operator: auth.OpIn},
		{Attribute: "a", Operator: auth.OpEqual, Values: []any{[]any{"x"}}},
		{Attribute: "a", Operator: auth.OpEqual, Values: []any{1}},
	} {
		if _, _, err := s.QueryUsers(t.Context(), one, auth.UserQuery{Where: []auth.Condition{c}, Limit: 1}); err == nil {
			t.Errorf("%s %v gives no error", c.Operator, c.Values)
		}
	}
}
