package adminapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/userfile"
)

// NextHeader holds the cursor for the export after this one. It is absent on the last.
const NextHeader = "Doorward-Next"

// exportUsers writes users whole, one a line as import reads them, password hashes included.
func (a *API) exportUsers(w http.ResponseWriter, q request) error {
	limit, err := q.limit()
	if err != nil {
		return err
	}
	users, err := a.admin.ExportUsers(q.ctx, q.caller, auth.UserID(q.param("after")), limit)
	if err != nil {
		return err
	}
	body, err := encodeLines(users)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", ndjson)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if len(users) == limit {
		h.Set(NextHeader, string(users[limit-1].User.ID))
	}
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	return nil
}

// encodeLines encodes all before anything is written, so that an error never follows half an answer.
func encodeLines(users []auth.PortableUser) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for _, u := range users {
		if err := enc.Encode(userfile.PortableOf(u)); err != nil {
			return nil, fmt.Errorf("encode user: %w", err)
		}
	}
	return buf.Bytes(), nil
}
