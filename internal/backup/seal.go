package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
)

// ErrWrongKey means that a backup is sealed for another key than those that are at hand.
var ErrWrongKey = errors.New("the backup cannot be opened with this key")

// MasterKey seals and opens the key of a backup's file, 16 bytes, with an instance's master key.
type MasterKey interface {
	SealFileKey(key []byte) ([]byte, error)
	OpenFileKey(sealed []byte) ([]byte, error)
}

// Lock says for whom a backup is sealed: a passphrase, recipients, or where neither is given the holder of the master key.
type Lock struct {
	Recipients []string // public keys, age1…
	Passphrase string
	MasterKey  MasterKey
}

// CarriesMasterKey tells whether the master key's file belongs into the backup: sealed with itself it would be of no use there.
func (l Lock) CarriesMasterKey() bool { return len(l.Recipients) > 0 || l.Passphrase != "" }

// Seal encrypts what is written to the result, which the caller closes; w stays open.
func (l Lock) Seal(w io.Writer) (io.WriteCloser, error) {
	recipients, err := l.recipients()
	if err != nil {
		return nil, err
	}
	return age.Encrypt(w, recipients...)
}

func (l Lock) recipients() ([]age.Recipient, error) {
	switch {
	case len(l.Recipients) > 0 && l.Passphrase != "":
		return nil, errors.New("a backup is sealed for recipients or with a passphrase, not both")
	case l.Passphrase != "":
		r, err := age.NewScryptRecipient(l.Passphrase)
		return []age.Recipient{r}, err
	case len(l.Recipients) > 0:
		var all []age.Recipient
		for _, text := range l.Recipients {
			r, err := ParseRecipient(text)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
		return all, nil
	case l.MasterKey != nil:
		return []age.Recipient{masterRecipient{l.MasterKey}}, nil
	}
	return nil, errors.New("nothing to seal the backup with")
}

// ParseRecipient reads a public key as `doorward backup keygen` and age-keygen print it.
func ParseRecipient(text string) (age.Recipient, error) {
	r, err := age.ParseX25519Recipient(text)
	if err != nil {
		return nil, fmt.Errorf("%.12q… is no recipient as age1…, which `doorward backup keygen` prints", text)
	}
	return r, nil
}

// NewKey makes a key pair: the text of a file for whoever restores, and the recipient for servers.
func NewKey() (file, recipient string, err error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", err
	}
	recipient = identity.Recipient().String()
	return "# Opens Doorward's backups. Keep it away from the servers that make them.\n# recipient: " + recipient + "\n" + identity.String() + "\n", recipient, nil
}

// Keys are what may open a backup. Empty ones are left out.
type Keys struct {
	Identities string // text of a key file, AGE-SECRET-KEY-1… on a line
	Passphrase string
	MasterKey  MasterKey
}

// Open decrypts r. It fails with ErrWrongKey and ErrDamaged, and reading from the result with ErrDamaged and r's own errors.
func (k Keys) Open(r io.Reader) (io.Reader, error) {
	identities, err := k.identities()
	if err != nil {
		return nil, err
	}
	source := &watched{r: r}
	buffered := bufio.NewReader(source)
	if head, err := buffered.Peek(len(ageIntro)); err != nil || string(head) != ageIntro {
		if source.err != nil {
			return nil, source.err
		}
		return nil, fmt.Errorf("%w: this is no backup, or its beginning is lost", ErrDamaged)
	}
	plain, err := age.Decrypt(buffered, identities...)
	var wrong *age.NoIdentityMatchError
	switch {
	case errors.As(err, &wrong):
		return nil, fmt.Errorf("%w: %s", ErrWrongKey, wayIn(wrong.StanzaTypes, k))
	case err != nil:
		return nil, source.explain(err)
	}
	return decrypted{plain, source}, nil
}

const ageIntro = "age-encryption.org/v1\n"

// decrypted calls what does not decrypt damaged.
type decrypted struct {
	plain  io.Reader
	source *watched
}

func (d decrypted) Read(p []byte) (int, error) {
	n, err := d.plain.Read(p)
	if err != nil && err != io.EOF {
		err = d.source.explain(err)
	}
	return n, err
}

func (k Keys) identities() ([]age.Identity, error) {
	var all []age.Identity
	if k.Passphrase != "" {
		identity, err := age.NewScryptIdentity(k.Passphrase)
		if err != nil {
			return nil, err
		}
		all = append(all, identity)
	}
	if k.Identities != "" {
		some, err := age.ParseIdentities(strings.NewReader(k.Identities))
		if err != nil {
			return nil, errors.New("the key file has no line as AGE-SECRET-KEY-1…, which `doorward backup keygen` writes") // without err: it may quote the key
		}
		all = append(all, some...)
	}
	if k.MasterKey != nil {
		all = append(all, masterIdentity{k.MasterKey})
	}
	return append(all, nobody{}), nil // age wants one at least
}

// wayIn says with what a backup can be opened, and whether that was tried.
func wayIn(stanzas []string, k Keys) string {
	switch {
	case slices.Contains(stanzas, "scrypt") && k.Passphrase != "":
		return "the passphrase is another one"
	case slices.Contains(stanzas, "scrypt"):
		return "it is sealed with a passphrase; name its file with --passphrase-file"
	case slices.Contains(stanzas, "X25519") && k.Identities != "":
		return "it is sealed for other recipients than those of this key file"
	case slices.Contains(stanzas, "X25519"):
		return "it is sealed for a recipient; name the file that `doorward backup keygen` wrote for it with --key"
	case slices.Contains(stanzas, masterStanza) && k.MasterKey != nil:
		return "it is sealed with another master key than the one of this key file, or one that was pruned from it; put the key file of its time back"
	case slices.Contains(stanzas, masterStanza):
		return "it is sealed with the master key of the server that made it; name that server's key file with --master-key-file"
	}
	return "it is sealed in a way that this version does not know"
}

// masterStanza is the kind of recipient that the master key is. Its body is the sealed file key.
const masterStanza = "doorward.master-key"

type masterRecipient struct{ key MasterKey }

func (r masterRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	sealed, err := r.key.SealFileKey(fileKey)
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: masterStanza, Body: sealed}}, nil
}

type masterIdentity struct{ key MasterKey }

func (i masterIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != masterStanza {
			continue
		}
		if key, err := i.key.OpenFileKey(bytes.Clone(s.Body)); err == nil {
			return key, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// nobody opens nothing.
type nobody struct{}

func (nobody) Unwrap([]*age.Stanza) ([]byte, error) { return nil, age.ErrIncorrectIdentity }
