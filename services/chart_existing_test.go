package services_test

import (
	"flag"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// existingPage tells people with a Redis and a PostgreSQL of their own what the chart does for its own ones.
const existingPage = "../charts/theeye/existing.md"

var update = flag.Bool("update", false, "write what is made of other files")

// fromFile finds what the page has of a file: the file's name in a comment, and a block of code.
var fromFile = regexp.MustCompile("(<!-- files/(\\S+) -->\n```[a-z]*\n)((?s:.*?))(```\n)")

// TestExistingPageHasTheChartsOwnLines: what people are told to do is what the tests here run.
func TestExistingPageHasTheChartsOwnLines(t *testing.T) {
	t.Parallel()
	page := readFile(t, existingPage)
	var files []string
	made := fromFile.ReplaceAllStringFunc(page, func(block string) string {
		part := fromFile.FindStringSubmatch(block)
		files = append(files, part[2])
		content := readFile(t, filepath.Join(chartFiles, part[2]))
		if part[2] == "redis/users.acl" {
			content = aclCommands(aclRules(t))
		}
		return part[1] + content + part[4]
	})
	if want := []string{"redis/redis.conf", "redis/users.acl", "postgres/postgresql.conf", "postgres/roles.sql"}; !slices.Equal(files, want) {
		t.Errorf("the page has parts of %v, want %v", files, want)
	}
	if *update {
		if err := os.WriteFile(existingPage, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if made != page {
		t.Errorf("%s differs from the files it is made of: go test ./services -run TestExistingPage -update", existingPage)
	}
}

// aclCommands are the rules of the services as commands: an administrator is there already.
func aclCommands(rules map[string]string) string {
	var commands strings.Builder
	for _, user := range slices.Sorted(maps.Keys(rules)) {
		if user != "default" && user != "probe" && user != "admin" {
			commands.WriteString("ACL SETUSER " + user + " reset >PASSWORD " + rules[user] + "\n")
		}
	}
	return commands.String()
}

// TestExistingPageMakesTheSameUsers types the page's commands into a Redis of another's.
func TestExistingPageMakesTheSameUsers(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(testenv.Redis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	theirs := redis.NewClient(options)
	t.Cleanup(func() { _ = theirs.Close() })
	ours := newChartRedis(t).client(inspector)
	commands := regexp.MustCompile(`(?m)^ACL SETUSER (\S+) .*$`).FindAllStringSubmatch(readFile(t, existingPage), -1)
	if len(commands) != 3 {
		t.Fatalf("the page has %d commands", len(commands))
	}
	for _, command := range commands {
		words := []any{}
		for word := range strings.SplitSeq(command[0], " ") {
			words = append(words, word)
		}
		if err := theirs.Do(t.Context(), words...).Err(); err != nil {
			t.Fatalf("%s: %v", command[0], err)
		}
		of := func(client *redis.Client) map[any]any {
			user, err := client.Do(t.Context(), "ACL", "GETUSER", command[1]).Result()
			if err != nil {
				t.Fatal(err)
			}
			properties, _ := user.(map[any]any)
			delete(properties, "passwords")
			flags, _ := properties["flags"].([]any)
			// "reset" sets it, a line of a file does not; it is about RESTORE, which nobody may.
			properties["flags"] = slices.DeleteFunc(flags, func(flag any) bool { return flag == "sanitize-payload" })
			return properties
		}
		if got, want := encode(t, of(theirs)), encode(t, of(ours)); got != want || !strings.Contains(got, "selectors") {
			t.Errorf("%s becomes\n%s\nwant\n%s", command[1], got, want)
		}
	}
}

// encode makes answers of ACL GETUSER comparable.
func encode(t *testing.T, properties map[any]any) string {
	t.Helper()
	text := map[string]any{}
	for name, value := range properties {
		if list, ok := value.([]any); ok && name == "selectors" {
			for i, selector := range list {
				inner, _ := selector.(map[any]any)
				list[i] = encode(t, inner)
			}
		}
		if words, ok := value.(string); ok { // Redis gives them in any order
			sorted := strings.Fields(words)
			slices.Sort(sorted)
			value = sorted
		}
		text[name.(string)] = value
	}
	encoded, err := yaml.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// TestExistingPagesSecretsFitTheValues: the keys that the chart asks for, and users that there are.
func TestExistingPagesSecretsFitTheValues(t *testing.T) {
	t.Parallel()
	var values struct {
		Redis, Postgres struct {
			Existing struct{ Keys map[string]string }
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../charts/theeye/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	_, examples, _ := strings.Cut(readFile(t, existingPage), "```yaml\napiVersion: v1")
	examples, _, _ = strings.Cut(examples, "```")
	first, second, _ := strings.Cut(examples, "---\n")
	for example, service := range map[string]struct {
		keys         map[string]string
		scheme, user string
	}{
		first:  {values.Redis.Existing.Keys, "rediss", ""},
		second: {values.Postgres.Existing.Keys, "postgres", "theeye_"},
	} {
		var secret struct{ StringData map[string]string }
		if err := yaml.Unmarshal([]byte(example[strings.IndexByte(example, '\n')+1:]), &secret); err != nil {
			t.Fatal(err)
		}
		if len(secret.StringData) != len(service.keys) || len(service.keys) < 2 {
			t.Errorf("the example has %v, the values want %v", secret.StringData, service.keys)
		}
		for name, key := range service.keys {
			u, err := url.Parse(secret.StringData[key])
			if err != nil || u.Scheme != service.scheme || u.User.Username() != service.user+name {
				t.Errorf("the example's %s is %v, %v", key, u, err)
			}
		}
	}
}
