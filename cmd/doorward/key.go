package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/doorward/doorward/internal/adminapi"
)

type keyCmd struct {
	reachFlags
	projectFlag
	List     keyListCmd     `cmd:"" help:"List the keys that are published, newest first."`
	Rotate   keyRotateCmd   `cmd:"" help:"Sign with a new key from now on."`
	Withdraw keyWithdrawCmd `cmd:"" help:"Remove a retired key at once; tokens that it signed are dead."`
}

type keyListCmd struct{}

func (keyListCmd) Help() string {
	return `Example:

    doorward key list --project shop`
}

func (keyListCmd) Run(a *app, group *keyCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.ListKeys(a.ctx, group.Project)
		if err != nil {
			return err
		}
		return printList(a, list.Keys, "KID ALGORITHM SIGNS CREATED RETIRED EXPIRES", func(k adminapi.Key) []string {
			return []string{k.KID, k.Algorithm, yesNo(k.Signing), timeText(k.CreatedAt), timeText(k.RetiredAt), timeText(k.ExpiresAt)}
		})
	})
}

type keyRotateCmd struct{}

func (keyRotateCmd) Help() string {
	return `The key before stays published until the last token that it signed has expired.

Example:

    doorward key rotate --project shop`
}

func (keyRotateCmd) Run(a *app, group *keyCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		key, err := api.RotateKey(a.ctx, group.Project)
		if err != nil {
			return err
		}
		return a.print(key, func(w io.Writer) { pairs(w, "KID", key.KID, "Algorithm", key.Algorithm) })
	})
}

type keyWithdrawCmd struct {
	KID string `arg:"" name:"kid" help:"Key."`
	yesFlag
}

func (keyWithdrawCmd) Help() string {
	return `Example:

    doorward key withdraw KID --project shop --yes`
}

func (c keyWithdrawCmd) Run(a *app, group *keyCmd) error {
	if err := a.confirm(c.Yes, "Withdraw key "+c.KID+"? Every token that it signed is dead then."); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.WithdrawKey(a.ctx, group.Project, c.KID); err != nil {
			return err
		}
		return a.printDone("withdrawn", c.KID)
	})
}

type masterKeyCmd struct {
	dataFlags
	Stage  masterKeyStageCmd  `cmd:"" help:"Make the next key, to be copied to all machines before it is used."`
	Rotate masterKeyRotateCmd `cmd:"" help:"Add a key, or take the staged one, and seal every stored secret with it."`
	Prune  masterKeyPruneCmd  `cmd:"" help:"Remove keys that seal nothing any more."`
}

type masterKeyStageCmd struct{}

func (masterKeyStageCmd) Help() string {
	return `For servers on more than one machine, each with its copy of the key file: a staged key opens and does not seal. Copy the file to all machines, then rotate, and copy it again.

Example:

    doorward master-key stage --data /var/lib/doorward`
}

func (masterKeyStageCmd) Run(a *app) error {
	return a.reachData(func(api *adminapi.Client) error {
		staged, err := api.StageMasterKey(a.ctx)
		if err != nil {
			return err
		}
		return a.print(staged, func(w io.Writer) {
			fmt.Fprintf(w, "master key %s is next: copy the key file to all machines, then run doorward master-key rotate\n", staged.KeyID)
		})
	})
}

type masterKeyRotateCmd struct{}

func (masterKeyRotateCmd) Help() string {
	return `Works only with the data directory at hand, also while servers run. Copy the key file afterwards. With servers on more than one machine, stage the key first.

Where an earlier rotation broke off, it is finished and no key is added; rotate again for a new one. Where somebody has the key file, they have a staged key, too: rotate twice, so that one seals which they never saw.

Example:

    doorward master-key rotate --data /var/lib/doorward`
}

func (masterKeyRotateCmd) Run(a *app) error {
	return a.reachData(func(api *adminapi.Client) error {
		rotated, err := api.RotateMasterKey(a.ctx)
		if err != nil {
			return err
		}
		return a.print(rotated, func(w io.Writer) {
			fmt.Fprintf(w, "master key %s seals everything now\n", rotated.KeyID)
			if rotated.Finished {
				fmt.Fprintln(w, "a rotation that had broken off is finished, and no key was added; run it again for a new one")
			}
		})
	})
}

type masterKeyPruneCmd struct{}

func (masterKeyPruneCmd) Help() string {
	return `Run it some minutes after a rotation, so that running servers have taken up the new key. Backups of before need the old one: keep its copy as long as them.

Example:

    doorward master-key prune --data /var/lib/doorward`
}

func (masterKeyPruneCmd) Run(a *app) error {
	return a.reachData(func(api *adminapi.Client) error {
		pruned, err := api.PruneMasterKeys(a.ctx)
		if err != nil {
			return err
		}
		return a.print(pruned, func(w io.Writer) { fmt.Fprintln(w, "removed: "+orDash(strings.Join(pruned.Removed, ", "))) })
	})
}
