package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const usage = `usage:
  build package -version VERSION   lint charts/theeye and pack it into .local/chart
  build config                     write config/manager`

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet(command, flag.ContinueOnError)
	root := fs.String("root", "../..", "`directory` of the repository")
	version := fs.String("version", "", "`version` of the images that the package installs")
	if err := fs.Parse(args); err != nil {
		return err //nolint:wrapcheck // printed by the flag package already
	}
	switch command {
	case "package":
		file, err := pack(*root, *version, out)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, file)
		return err //nolint:wrapcheck // of the terminal
	case "config":
		return writeConfig(*root)
	default:
		return fmt.Errorf("no such command: %q\n%s", command, usage)
	}
}
