package main

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"Words of the command."`
}

func (helpCmd) Help() string {
	return `Example:

    doorward help project create`
}

func (c helpCmd) Run(a *app) error { return a.execute(append(c.Command, "--help")) }
