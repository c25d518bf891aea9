package console

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/userfile"
	"github.com/doorward/doorward/internal/web"
)

func importPages() []page {
	return []page{
		{path: "/projects/{project}/imports", room: roomUsers, show: (*visit).imports, upload: maxImportFile,
			forms: map[string]func(*visit) error{"upload": (*visit).uploadUsers}},
		{path: "/projects/{project}/export", room: roomUsers, show: (*visit).imports,
			forms: map[string]func(*visit) error{"export": (*visit).exportUsers}},
		{path: "/projects/{project}/imports/{import}", room: roomUsers, show: (*visit).userImport, scripts: []string{"progress.js"},
			forms: map[string]func(*visit) error{"start": (*visit).startImport, "stop": (*visit).stopImport}},
	}
}

// maxImportFile bounds a file of users, in bytes.
const maxImportFile = 20 << 20

// Slow lines get this long for an upload and a download.
const (
	uploadTime   = 2 * time.Minute
	downloadTime = 15 * time.Minute
)

// importsPage is what the page of imports shows.
type importsPage struct {
	Imports []auth.UserImport
	Columns []string
	MaxMiB  int
}

// importsShown bounds the list of imports.
const importsShown = 20

func (v *visit) imports() error {
	if err := v.notOperators(); err != nil {
		return err
	}
	imports, err := v.Admin.UserImports(v.r.Context(), v.caller, importsShown)
	if err != nil {
		return err
	}
	return v.render("imports", "Import and export", importsPage{imports, userfile.Columns(), maxImportFile >> 20})
}

// uploadUsers stores a file of users while it arrives. Its dry run is made in the background.
func (v *visit) uploadUsers() error {
	v.allow(uploadTime)
	format := v.field("format")
	if !slices.Contains([]string{userfile.FormatDoorward, userfile.FormatFirebase, userfile.FormatCSV}, format) {
		return badField("format", "choose what the file is")
	}
	var config *userfile.FirebaseHashConfig
	if text := v.field("hashConfig"); text != "" && format == userfile.FormatFirebase {
		var err error
		if config, err = userfile.ParseHashConfig([]byte(text)); err != nil {
			return badField("hashConfig", "this is "+err.Error())
		}
	}
	if v.file == nil {
		return badField("file", "choose a file")
	}
	i, err := v.Admin.ReceiveImport(v.r.Context(), v.caller, v.file.Name, userfile.Read(v.file, format, config))
	var plumbing *web.Error
	if errors.As(err, &plumbing) && plumbing.Status == http.StatusRequestEntityTooLarge {
		return badField("file", "the file is too large; divide it")
	}
	if err != nil {
		return err
	}
	return v.back(v.projectPath("imports", string(i.ID)), "")
}

// allow prolongs what a request may take. It fails in tests, and where the connection is gone.
func (v *visit) allow(d time.Duration) {
	end := v.Admin.Now().Add(d)
	connection := http.NewResponseController(v.w)
	_ = connection.SetReadDeadline(end)
	_ = connection.SetWriteDeadline(end.Add(10 * time.Second))
}

// importPage is what the page of one import shows.
type importPage struct {
	auth.UserImport
	CannotSignIn  []counted
	PasswordKinds []counted
}

// counted is how many users something is so of.
type counted struct {
	What string
	N    int
}

func countsOf(counts map[string]int) []counted {
	var list []counted
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, counted{what, counts[what]})
	}
	return list
}

// Doing is what the server does by itself, in a word.
func (p importPage) Doing() string {
	if p.State == auth.ImportRunning {
		return "imported"
	}
	return "checked"
}

func (v *visit) importID() auth.UserImportID { return auth.UserImportID(v.r.PathValue("import")) }

var importTitles = map[auth.UserImportState]string{
	auth.ImportReceiving: "The file is on its way", auth.ImportChecking: "Checking the file", auth.ImportChecked: "Ready to import", auth.ImportRunning: "Importing users",
	auth.ImportDone: "Import done", auth.ImportStopped: "Import stopped", auth.ImportBroken: "Import broken off",
}

func (v *visit) userImport() error {
	i, err := v.Admin.UserImportOf(v.r.Context(), v.caller, v.importID())
	if err != nil {
		return err
	}
	return v.render("import", importTitles[i.State], importPage{i, countsOf(i.Report.CannotSignIn), countsOf(i.Report.PasswordKinds)})
}

func (v *visit) startImport() error {
	if err := v.Admin.StartImport(v.r.Context(), v.caller, v.importID()); err != nil {
		return err
	}
	return v.back(v.projectPath("imports", v.r.PathValue("import")), "")
}

func (v *visit) stopImport() error {
	if err := v.Admin.StopImport(v.r.Context(), v.caller, v.importID()); err != nil {
		return err
	}
	return v.back(v.projectPath("imports", v.r.PathValue("import")), "")
}

// exportUsers sends all users whole, as import takes them, with the hashes of their passwords. It is a form, since it is recorded and must not be fetched ahead.
func (v *visit) exportUsers() error {
	v.allow(downloadTime)
	ctx := v.r.Context()
	batch, err := v.Admin.ExportUsers(ctx, v.caller, "", auth.MaxPage)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", `attachment; filename="users-`+string(v.caller.Project.ID)+`.jsonl"`) // ids are letters, digits and dashes
	lines := json.NewEncoder(v.w)
	lines.SetEscapeHTML(false)
	for {
		for _, u := range batch {
			if err == nil {
				err = lines.Encode(userfile.PortableOf(u))
			}
		}
		if err == nil && len(batch) < auth.MaxPage {
			return nil
		}
		if err == nil {
			batch, err = v.Admin.ExportUsers(ctx, v.caller, batch[len(batch)-1].User.ID, auth.MaxPage)
		}
		if err != nil { // the file must not look complete
			web.SetError(ctx, err)
			panic(http.ErrAbortHandler)
		}
	}
}
