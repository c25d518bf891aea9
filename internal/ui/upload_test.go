package ui

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/web"
)

// multipartBody writes fields, as name and value, and then a file unless its name is "".
func multipartBody(t *testing.T, fileName, file string, fields ...string) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	form := multipart.NewWriter(body)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if fileName != "" {
		part, err := form.CreateFormFile("file", fileName)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, file)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return body, form.FormDataContentType()
}

func TestReadUpload(t *testing.T) {
	read := func(body io.Reader, contentType string) (string, string, error) {
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header.Set("Content-Type", contentType)
		fields, upload, err := ReadUpload(httptest.NewRecorder(), r, 100)
		if err != nil || upload == nil {
			return fields.Encode(), "", err
		}
		content, err := io.ReadAll(upload)
		return fields.Encode(), upload.Name + " " + string(content), err
	}
	for name, test := range map[string]struct {
		fileName, file string
		fields         []string
		wantFields     string
		wantFile       string
		status         int
	}{
		"file":          {"../a/users.csv", "uid\n1", []string{"a", "1", "b", "x y"}, "a=1&b=x+y", "users.csv uid\n1", 0},
		"no file":       {"", "", []string{"a", "1"}, "a=1", "", 0},
		"largest":       {"f", strings.Repeat("x", 100), nil, "", "f " + strings.Repeat("x", 100), 0},
		"too large":     {"f", strings.Repeat("x", 101), nil, "", "", 413},
		"far too large": {"f", strings.Repeat("x", 100_000), nil, "", "", 413},
		"long field":    {"f", "x", []string{"a", strings.Repeat("x", maxForm+1)}, "", "", 413},
		"twice":         {"f", "x", []string{"a", "1", "a", "2"}, "", "", 400},
		"no text":       {"f", "x", []string{"a", "\xff"}, "", "", 400},
	} {
		fields, file, err := read(multipartBody(t, test.fileName, test.file, test.fields...))
		status := 0
		if err != nil {
			status = err.(*web.Error).Status
		}
		if status != test.status || (status == 0 && (fields != test.wantFields || file != test.wantFile)) {
			t.Errorf("%s: %q, %.40q, %v", name, fields, file, err)
		}
	}
	body, contentType := multipartBody(t, "f", "content of the file")
	if _, _, err := read(bytes.NewReader(body.Bytes()[:body.Len()-60]), contentType); err == nil || err.(*web.Error).Status != 400 {
		t.Errorf("a file that breaks off: %v", err)
	}
	if _, _, err := read(strings.NewReader("a=1"), "application/x-www-form-urlencoded"); err == nil || err.(*web.Error).Status != 415 {
		t.Errorf("another form: %v", err)
	}
}
