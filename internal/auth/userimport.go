package auth

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// UserImportID names an import; ids sort by time.
type UserImportID string

// UserImportState is how far an import has come.
type UserImportState string

// The states. Only the first four have their file.
const (
	ImportReceiving UserImportState = "receiving" // the file is being stored
	ImportChecking  UserImportState = "checking"  // a dry run is on
	ImportChecked   UserImportState = "checked"   // somebody has to start it
	ImportRunning   UserImportState = "running"
	ImportDone      UserImportState = "done"
	ImportStopped   UserImportState = "stopped" // by an operator; what was in by then stays
	ImportBroken    UserImportState = "failed"  // Failure says why; likewise
)

// Ended tells whether nothing happens any more.
func (s UserImportState) Ended() bool {
	return s == ImportDone || s == ImportStopped || s == ImportBroken
}

// Working tells whether the server is at it by itself.
func (s UserImportState) Working() bool { return s == ImportChecking || s == ImportRunning }

// UserImport is a file of users on its way into a project, in the background: a dry run first, then, once somebody starts it, the import. It goes on where it was after a
// restart. The file lies sealed in parts, each of which is deleted in the transaction that imports it.
type UserImport struct {
	Project    ProjectID
	ID         UserImportID
	State      UserImportState
	FileName   string // as the browser named it
	Lines      int    // of the file that hold a user
	Done       int    // lines, of what goes on now: the dry run or the import
	Report     ImportReport
	Refused    int // lines, of which Report.Failed has the first MaxToldRefusals, its Index being the line's number in the file
	Failure    string
	Actor      ActorKind // in whose name: who started it, or before that sent the file
	ActorID    string
	Addr       netip.Addr
	CreatedAt  time.Time
	StartedAt  time.Time // of the import
	FinishedAt time.Time
	ExpiresAt  time.Time // when it is forgotten, file and all; zero while the server is at it
}

// UserImportPart is some of an import's lines, sealed.
type UserImportPart struct {
	Project ProjectID
	ID      string // sorts by its place in the file
	Import  UserImportID
	Sealed  []byte
}

// ImportLine is a line of a file of users, or an element of its list: a user, or why it cannot be one.
type ImportLine struct {
	Number  int // counted from 1
	User    PortableUser
	Refused string // "" for none
}

// Bounds of an import in the background.
const (
	MaxImportUsers  = 200_000                 // lines of one file
	MaxToldRefusals = 200                     // are kept word for word
	importPartLines = 200                     // in one transaction, so that others do not wait for long
	importPartBytes = 1 << 20                 // likewise, of JSON before compression
	maxImportPart   = importPartBytes + 4<<10 // with what stands between the lines
	// MaxImportIdentities bounds the identities of one user: in a file they may be a few bytes each.
	MaxImportIdentities = 20
	startWithin         = 24 * time.Hour      // or the file is forgotten
	receiveWithin       = time.Hour           // likewise where the receiving process died
	keepImportReport    = 30 * 24 * time.Hour // after the end
	importsLease        = 15 * time.Second
	importsLeaseName    = "user imports"
	importPause         = 10 * time.Millisecond // between parts: leave the writer to those who wait for an answer
)

// ReceiveImport stores a file of users, whose dry run the server then makes. Once it is there whole it takes the place of one that waits to be started. An error of lines is
// given back, and nothing of the file is kept. It fails with CodeConflict while an import of the project is running, and with CodeInvalidArgument where the file has no line or too many.
func (a *Admin) ReceiveImport(ctx context.Context, c Caller, fileName string, lines iter.Seq2[ImportLine, error]) (UserImport, error) {
	if err := c.requireAdmin(); err != nil {
		return UserImport{}, err
	}
	if err := c.notConsole(); err != nil {
		return UserImport{}, err
	}
	now := a.now()
	id, err := a.newTimeID(now)
	if err != nil {
		return UserImport{}, err
	}
	i := UserImport{
		Project: c.Project.ID, ID: UserImportID(id), State: ImportReceiving, FileName: cleanFileName(fileName), Actor: c.Actor(), ActorID: c.actorID(), Addr: c.Addr,
		CreatedAt: now, ExpiresAt: now.Add(receiveWithin),
	}
	if err := a.store.Update(ctx, func(tx Tx) error { return createImport(ctx, tx, i) }); err != nil {
		return UserImport{}, err
	}
	if i.Lines, err = a.storeParts(ctx, i, lines); err == nil {
		i.State, i.ExpiresAt = ImportChecking, time.Time{}
		err = a.changeImport(ctx, i.Project, i.ID, ImportReceiving, func(tx Tx, stored *UserImport) error {
			*stored = i
			return a.takePlace(ctx, tx, c, i)
		})
	}
	if err != nil {
		dropped := a.store.Update(context.WithoutCancel(ctx), func(tx Tx) error { return tx.DeleteUserImport(ctx, i.Project, i.ID) })
		if errors.Is(dropped, ErrNotFound) { // it was swept
			dropped = nil
		}
		return UserImport{}, errors.Join(err, dropped)
	}
	return i, nil
}

// cleanFileName keeps what can be shown.
func cleanFileName(name string) string {
	clean := bytes.ToValidUTF8(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, []byte(name)), nil)
	return clip(string(clean), 100)
}

func createImport(ctx context.Context, tx Tx, i UserImport) error {
	if _, err := waitingImports(ctx, tx, i.Project); err != nil {
		return err
	}
	return tx.CreateUserImport(ctx, i)
}

// waitingImports gives those of the project that nobody started. It fails with CodeConflict where one is running.
func waitingImports(ctx context.Context, tx Tx, p ProjectID) (waiting []UserImportID, err error) {
	imports, err := tx.ListUserImports(ctx, p, MaxPage)
	if err != nil {
		return nil, err
	}
	for _, i := range imports {
		switch i.State {
		case ImportRunning:
			return nil, newError(CodeConflict, "an import of this project is running; wait for its end, or stop it")
		case ImportChecking, ImportChecked:
			waiting = append(waiting, i.ID)
		}
	}
	return waiting, nil
}

// takePlace removes the imports that the one that is here whole now takes the place of.
func (a *Admin) takePlace(ctx context.Context, tx Tx, c Caller, i UserImport) error {
	waiting, err := waitingImports(ctx, tx, i.Project)
	if err != nil {
		return err
	}
	detail := []string{"import", string(i.ID), "lines", fmt.Sprint(i.Lines)}
	for _, id := range waiting {
		if err := tx.DeleteUserImport(ctx, i.Project, id); err != nil {
			return err
		}
		detail = append(detail, "replaced", string(id)) // one: others were replaced by it
	}
	return a.audit(ctx, tx, c, EventImportReceived, OutcomeAllowed, "", detail...)
}

// storeParts seals the lines, some at a time, and says how many there were.
func (a *Admin) storeParts(ctx context.Context, i UserImport, lines iter.Seq2[ImportLine, error]) (total int, err error) {
	var part []json.RawMessage
	size, number := 0, 0
	store := func() error {
		if len(part) == 0 {
			return nil
		}
		sealed, err := a.sealPart(i, number, part)
		if err != nil {
			return err
		}
		if err := a.store.Update(ctx, func(tx Tx) error { return tx.CreateUserImportPart(ctx, sealed) }); err != nil {
			if errors.Is(err, ErrNotFound) {
				return newError(CodeConflict, "the upload took too long; divide the file")
			}
			return err
		}
		part, size, number = part[:0], 0, number+1
		return nil
	}
	for line, err := range lines {
		if err != nil {
			return 0, err
		}
		if total++; total > MaxImportUsers {
			return 0, invalidArgument("file", fmt.Sprintf("the file has more than %d users; divide it", MaxImportUsers))
		}
		encoded, err := encodeLine(line)
		if err != nil {
			return 0, err
		}
		if len(part) == importPartLines || size+len(encoded) > importPartBytes {
			if err := store(); err != nil {
				return 0, err
			}
		}
		part, size = append(part, encoded), size+len(encoded)
	}
	if total == 0 {
		return 0, invalidArgument("file", "the file has no users")
	}
	return total, store()
}

// encodeLine gives a line as it stands in a part. One that would fill a part by itself holds no user.
func encodeLine(l ImportLine) (json.RawMessage, error) {
	encoded, err := json.Marshal(l)
	if err == nil && len(encoded) > importPartBytes {
		encoded, err = json.Marshal(ImportLine{Number: l.Number, Refused: "the user takes too much space"})
	}
	if err != nil {
		return nil, fmt.Errorf("line %d is not JSON: %w", l.Number, err)
	}
	return encoded, nil
}

// sealPart packs lines: users hold hashes of passwords, which are in no backup in clear (P44).
func (s *Service) sealPart(i UserImport, number int, lines []json.RawMessage) (UserImportPart, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if err := errors.Join(json.NewEncoder(zip).Encode(lines), zip.Close()); err != nil {
		return UserImportPart{}, fmt.Errorf("pack lines: %w", err)
	}
	id := fmt.Sprintf("%s.%06d", i.ID, number)
	sealed, err := s.keyring.Seal(packed.Bytes(), SealedImport.AD(i.Project, id))
	return UserImportPart{Project: i.Project, ID: id, Import: i.ID, Sealed: sealed}, err
}

func (s *Service) openPart(part UserImportPart) (lines []ImportLine, err error) {
	packed, err := s.keyring.Open(part.Sealed, SealedImport.AD(part.Project, part.ID))
	if err != nil {
		return nil, fmt.Errorf("open part %s of an import: %w", part.ID, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(zip, maxImportPart)).Decode(&lines)
	}
	if err != nil {
		return nil, fmt.Errorf("open part %s of an import: what is stored is malformed", part.ID)
	}
	return lines, nil
}

// UserImports lists the project's imports, the newest first.
func (a *Admin) UserImports(ctx context.Context, c Caller, limit int) ([]UserImport, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.ListUserImports(ctx, c.Project.ID, limit)
}

// UserImportOf gives one. It fails with CodeNotFound.
func (a *Admin) UserImportOf(ctx context.Context, c Caller, id UserImportID) (UserImport, error) {
	if err := c.requireAdmin(); err != nil {
		return UserImport{}, err
	}
	i, err := a.store.GetUserImport(ctx, c.Project.ID, id)
	return i, notFound(err, "there is no such import")
}

// StartImport lets the server import what it has checked. It fails with CodeNotFound, and with CodeConflict in every other state.
func (a *Admin) StartImport(ctx context.Context, c Caller, id UserImportID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	return a.changeImport(ctx, c.Project.ID, id, ImportChecked, func(tx Tx, i *UserImport) error {
		i.State, i.Done, i.Report, i.Refused, i.StartedAt, i.ExpiresAt = ImportRunning, 0, ImportReport{}, 0, a.now(), time.Time{}
		i.Actor, i.ActorID, i.Addr = c.Actor(), c.actorID(), c.Addr
		return a.audit(ctx, tx, c, EventImportStarted, OutcomeAllowed, "", "import", string(id), "lines", fmt.Sprint(i.Lines))
	})
}

// StopImport ends what is not over; what came in until then stays, and the rest of the file is deleted. It fails with CodeNotFound, and with CodeConflict where it is over.
func (a *Admin) StopImport(ctx context.Context, c Caller, id UserImportID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	return a.changeImport(ctx, c.Project.ID, id, "", func(tx Tx, i *UserImport) error {
		if i.State.Ended() {
			return newError(CodeConflict, "the import is over already")
		}
		if err := a.endImport(ctx, tx, i, ImportStopped); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventImportStopped, OutcomeAllowed, "", "import", string(id))
	})
}

// endImport deletes what is left of the file.
func (s *Service) endImport(ctx context.Context, tx Tx, i *UserImport, as UserImportState) error {
	now := s.now()
	i.State, i.FinishedAt, i.ExpiresAt = as, now, now.Add(keepImportReport)
	return tx.DeleteUserImportParts(ctx, i.Project, i.ID)
}

// changeImport changes an import that is in the given state, "" for any. It fails with CodeNotFound and CodeConflict.
func (a *Admin) changeImport(ctx context.Context, p ProjectID, id UserImportID, in UserImportState, change func(Tx, *UserImport) error) error {
	err := a.store.Update(ctx, func(tx Tx) error {
		i, err := tx.GetUserImport(ctx, p, id)
		if err != nil {
			return err
		}
		if in != "" && i.State != in {
			return newError(CodeConflict, fmt.Sprintf("the import is %s, not %s", i.State, in))
		}
		if err := change(tx, &i); err != nil {
			return err
		}
		return tx.UpdateUserImport(ctx, i)
	})
	return notFound(err, "there is no such import")
}

// WorkImports does what the oldest import of the instance waits for that did not fail just now. Another process may be at it: then it does nothing.
func (a *Admin) WorkImports(ctx context.Context) error {
	imports, err := a.store.WorkingUserImports(ctx, importsLookedAt)
	if err != nil {
		return fmt.Errorf("look for imports: %w", err)
	}
	i, ok := a.importTries.due(imports, a.now())
	if !ok {
		return nil
	}
	holder, err := a.newID()
	if err != nil {
		return err
	}
	if err := a.holdImports(ctx, holder); errors.Is(err, ErrConflict) {
		return nil
	} else if err != nil {
		return err
	}
	err = a.tryImport(ctx, holder, i)
	released := a.store.Update(context.WithoutCancel(ctx), func(tx Tx) error { return tx.ReleaseLease(ctx, importsLeaseName, holder) })
	if errors.Is(released, ErrNotFound) { // it ran out, and another process has it
		released = nil
	}
	return errors.Join(err, released)
}

func (a *Admin) holdImports(ctx context.Context, holder string) error {
	now := a.now()
	return a.store.Update(ctx, func(tx Tx) error { return tx.TakeLease(ctx, importsLeaseName, holder, now, now.Add(importsLease)) })
}

func (a *Admin) workImport(ctx context.Context, holder string, i UserImport) error {
	p, err := a.HostedProject(ctx, i.Project)
	if CodeOf(err) == CodeProjectNotFound { // deleted just now
		return nil
	}
	if err != nil {
		return fmt.Errorf("import: project: %w", err)
	}
	c := Caller{Project: p, actor: i.Actor, name: i.ActorID, Addr: i.Addr}
	step := a.importNext
	if i.State == ImportChecking {
		i.Done, i.Report, i.Refused = 0, ImportReport{}, 0 // a dry run begins anew after a restart
		step = a.checker(i)
	}
	for more := true; more; {
		if err := a.holdImports(ctx, holder); errors.Is(err, ErrConflict) {
			return nil
		} else if err != nil {
			return err
		}
		more, err = step(ctx, c, i)
		switch code := CodeOf(err); {
		case code == CodeNotFound || code == CodeConflict: // an operator stopped it, or another process has it
			return nil
		case errors.Is(err, errUnreadablePart):
			return a.failImport(ctx, i, "what the server stored of the file cannot be read any more; send the rest of it again", err)
		case err != nil:
			return fmt.Errorf("import %s of project %s: %w", i.ID, i.Project, err)
		}
		if i.State == ImportRunning { // it got on, and does not begin anew
			a.importTries.forget(i)
		}
		sleep(ctx, importPause)
	}
	return nil
}

// errUnreadablePart means that trying again would not help.
var errUnreadablePart = errors.New("a part of the import cannot be read")

// nextPart gives the part after the given one, opened; none is ErrNotFound.
func (a *Admin) nextPart(ctx context.Context, i UserImport, after string) (UserImportPart, []ImportLine, error) {
	part, err := a.store.NextUserImportPart(ctx, i.Project, i.ID, after)
	if err != nil {
		return UserImportPart{}, nil, err
	}
	lines, err := a.openPart(part)
	if err != nil {
		return UserImportPart{}, nil, errors.Join(errUnreadablePart, err)
	}
	return part, lines, nil
}

// failImport ends an import that cannot go on. The cause is for the log.
func (a *Admin) failImport(ctx context.Context, i UserImport, told string, cause error) error {
	err := a.changeImport(ctx, i.Project, i.ID, i.State, func(tx Tx, stored *UserImport) error {
		stored.Failure = told
		return a.endImport(ctx, tx, stored, ImportBroken)
	})
	return errors.Join(cause, err)
}

// checker gives the steps of a dry run, which remember what stood in the parts before.
func (a *Admin) checker(i UserImport) func(context.Context, Caller, UserImport) (bool, error) {
	seen, last, sum := newImportSeen(), "", i
	return func(ctx context.Context, c Caller, i UserImport) (more bool, err error) {
		part, lines, err := a.nextPart(ctx, i, last)
		ended := errors.Is(err, ErrNotFound)
		if err != nil && !ended {
			return false, err
		}
		report := newImportReport()
		for _, line := range lines {
			err := a.checkLine(ctx, c, line, seen, &report)
			if err := report.refuse(line.Number, err); err != nil {
				return false, err
			}
		}
		last = part.ID
		sum.add(report, len(lines))
		return !ended, a.changeImport(ctx, i.Project, i.ID, ImportChecking, func(_ Tx, stored *UserImport) error {
			stored.Done, stored.Report, stored.Refused = sum.Done, sum.Report, sum.Refused
			if ended {
				stored.State, stored.ExpiresAt = ImportChecked, a.now().Add(startWithin)
			}
			return nil
		})
	}
}

func (a *Admin) checkLine(ctx context.Context, c Caller, line ImportLine, seen importSeen, report *ImportReport) error {
	if line.Refused != "" {
		return newError(CodeInvalidArgument, line.Refused)
	}
	_, err := a.examine(ctx, a.store, c, line.User, seen, report)
	return err
}

// importNext imports a part and deletes it, in one transaction. It tells whether there may be more.
func (a *Admin) importNext(ctx context.Context, c Caller, i UserImport) (more bool, err error) {
	part, lines, err := a.nextPart(ctx, i, "")
	ended := errors.Is(err, ErrNotFound)
	if err != nil && !ended {
		return false, err
	}
	return !ended, a.changeImport(ctx, i.Project, i.ID, ImportRunning, func(tx Tx, stored *UserImport) error {
		if ended {
			return a.endImport(ctx, tx, stored, ImportDone)
		}
		if err := tx.DeleteUserImportPart(ctx, part.Project, part.ID); err != nil { // the transaction that deletes it imports it, once
			return err
		}
		report, err := a.importLines(ctx, tx, c, lines)
		if err != nil {
			return err
		}
		stored.add(report, len(lines))
		return a.audit(ctx, tx, c, EventUsersImported, OutcomeAllowed, "", "import", string(i.ID), "created", fmt.Sprint(report.Created),
			"existing", fmt.Sprint(report.Existing), "failed", fmt.Sprint(len(report.Failed)))
	})
}

func (a *Admin) importLines(ctx context.Context, tx Tx, c Caller, lines []ImportLine) (ImportReport, error) {
	report, seen := newImportReport(), newImportSeen()
	for _, line := range lines {
		err := error(nil)
		if line.Refused != "" {
			err = newError(CodeInvalidArgument, line.Refused)
		} else {
			err = a.importUser(ctx, tx, c, line.User, false, seen, &report)
		}
		if err := report.refuse(line.Number, err); err != nil {
			return ImportReport{}, err
		}
	}
	return report, nil
}

// refuse takes down a line that was left out, and gives back what is no refusal but a failure.
func (r *ImportReport) refuse(number int, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return err
	}
	r.Failed = append(r.Failed, ImportFailed{number, e.Message})
	return nil
}

// add takes the report of some lines into the import's.
func (i *UserImport) add(r ImportReport, lines int) {
	sum := newImportReport()
	for _, part := range []ImportReport{i.Report, r} {
		sum.Created += part.Created
		sum.Existing += part.Existing
		sum.CanSignIn += part.CanSignIn
		sum.Failed = append(sum.Failed, part.Failed...)
		addCounts(sum.CannotSignIn, part.CannotSignIn)
		addCounts(sum.PasswordKinds, part.PasswordKinds)
	}
	slices.SortStableFunc(sum.Failed, func(a, b ImportFailed) int { return cmp.Compare(a.Index, b.Index) })
	sum.Failed = sum.Failed[:min(len(sum.Failed), MaxToldRefusals)]
	i.Report, i.Done, i.Refused = sum, i.Done+lines, i.Refused+len(r.Failed)
}

func addCounts(sum, counts map[string]int) {
	for name, n := range counts {
		sum[name] += n
	}
}
