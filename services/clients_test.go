package services_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// run returns what a command prints.
func run(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()
	var complaints strings.Builder
	command.Stderr = &complaints
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", command.Args, err, complaints.String())
	}
	return printed
}

// curls are the commands of README.md that call TheEye with curl and need no cluster.
func curls(t *testing.T) (commands []string) {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^ {4}(curl (?:.*\\\n)*.*)$`).FindAllStringSubmatch(string(readme), -1) {
		if !strings.Contains(match[1], "kubectl") {
			commands = append(commands, match[1])
		}
	}
	if len(commands) < 6 {
		t.Fatalf("only %q were found", commands)
	}
	return commands
}

// TestREADMECurl runs what README.md says to try, word for word.
func TestREADMECurl(t *testing.T) {
	testenv.Find(t, "curl")
	s := newSystem(t, "")
	a := s.register("web-shop", registry.Policy{})
	environment := []string{
		"PATH=" + os.Getenv("PATH"), "THEEYE_CLIENT_ID=" + a.clientID, "THEEYE_CLIENT_SECRET=" + a.key, "THEEYE_API_KEY=" + a.key,
		"THEEYE_INGEST_URL=" + testenv.Through(t, s.ingest.URL).URL, "THEEYE_AUTH_URL=" + testenv.Through(t, s.auth.URL).URL,
		"THEEYE_PERSISTENCE_URL=" + testenv.Through(t, s.persistence.URL).URL,
	}
	accepted := 0
	for _, command := range curls(t) {
		shell := exec.CommandContext(t.Context(), "/bin/sh", "-euc", command)
		shell.Env = environment
		var answer struct {
			Accepted    int
			Code, Error string
			Events      []struct {
				SessionID string `json:"session_id"`
			}
		}
		printed := run(t, shell)
		if err := json.Unmarshal(printed, &answer); err != nil || answer.Code+answer.Error != "" {
			t.Errorf("%s\nprints %s", command, printed)
		}
		if answer.Accepted > 0 {
			accepted += answer.Accepted
			s.awaitEvents(a, url.Values{}, accepted)
		} else if strings.Contains(command, "PERSISTENCE") && (len(answer.Events) == 0 || answer.Events[0].SessionID != "s-1") {
			t.Errorf("%s\nfinds %s", command, fmt.Sprint(answer.Events))
		}
	}
	if accepted == 0 {
		t.Error("nothing was posted")
	}
}
