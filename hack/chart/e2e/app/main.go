// Command app is the client app of the end-to-end suite, in an image of its own that is never released. It has three
// commands: serve is an app as TheEye's users write it (see package load), kill ends all processes of pods on its node as
// a crash would, and wipe empties the directories where volumes are mounted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/hack/chart/e2e/kill"
	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("which command: serve, kill or wipe?")
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:])
	case "kill":
		killed, err := kill.Pods("/proc", args[1:])
		fmt.Println("killed:", strings.Join(killed, ", "))
		return err //nolint:wrapcheck // says all
	case "wipe":
		return wipe(args[1:])
	default:
		return fmt.Errorf("%s: no such command", args[0])
	}
}

func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address to be steered at")
	secret := flags.String("secret", "/var/run/theeye", "where the application's Secret is mounted")
	readURL := flags.String("read-url", "", "base URL of persistence")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read flags: %w", err)
	}
	credentials, err := load.OpenCredentials(*secret)
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	go credentials.Follow(ctx)
	app := load.NewServer(ctx, uuid.NewString()[:8], load.NewClient(*readURL), credentials)
	const headerTimeout = 5 * time.Second
	server := &http.Server{Addr: *listen, Handler: app.Handler(), ReadHeaderTimeout: headerTimeout}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// wipe removes all that is in directories, and leaves these.
func wipe(dirs []string) error {
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("list volume: %w", err)
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("empty volume: %w", err)
			}
		}
	}
	return nil
}
