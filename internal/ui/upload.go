package ui

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"

	"github.com/doorward/doorward/internal/web"
)

// maxUploadFields bounds the parts before the file.
const maxUploadFields = 20

// Upload is a file that a form brought along. It is read while it arrives: nothing of it is kept anywhere.
type Upload struct {
	io.Reader
	Name string // as the browser says, without folders; not to be trusted
	body io.Reader
}

// Discard reads on to the end of what the browser sends, within bounds: one that still sends when the answer comes shows a broken connection instead of it. A nil upload is done.
func (u *Upload) Discard() {
	if u != nil {
		_, _ = io.Copy(io.Discard, u.body)
	}
}

// discardFactor is how many times the size of the largest file is read of a request at most.
const discardFactor = 5

// ReadUpload reads a multipart/form-data body (RFC 7578) whose last part is one file of at most maxFile bytes; the fields before it are bounded and read as strictly as
// ReadForm's. Where no file was chosen, the upload is nil. Reading it fails with a *web.Error of status 413 where it is too long. Errors are *web.Error.
func ReadUpload(w http.ResponseWriter, r *http.Request, maxFile int64) (url.Values, *Upload, error) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		return nil, nil, &web.Error{Status: http.StatusUnsupportedMediaType, Detail: "The body is no form with a file"}
	}
	body := http.MaxBytesReader(w, r.Body, discardFactor*maxFile+2*maxForm)
	parts := multipart.NewReader(body, params["boundary"])
	fields, left := url.Values{}, maxForm
	for range maxUploadFields {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, unreadable(err)
		}
		name := part.FormName()
		if part.FileName() != "" {
			return fields, &Upload{&fileReader{part, maxFile}, part.FileName(), body}, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(left)+1))
		if err != nil {
			return nil, nil, unreadable(err)
		}
		if left -= len(value); left < 0 {
			return nil, nil, &web.Error{Status: http.StatusRequestEntityTooLarge, Detail: "The form is too long"}
		}
		if name == "" || !IsText(name) || !IsText(string(value)) || fields.Has(name) {
			return nil, nil, &web.Error{Status: http.StatusBadRequest, Detail: "A field of the form is there twice, or no text"}
		}
		fields.Set(name, string(value))
	}
	return fields, nil, nil
}

// fileReader gives a file's bytes up to a limit.
type fileReader struct {
	part io.Reader
	left int64
}

func (f *fileReader) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if f.left -= int64(n); f.left < 0 {
		return 0, &web.Error{Status: http.StatusRequestEntityTooLarge, Detail: "The file is too large"}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable(err)
	}
	return n, err
}
