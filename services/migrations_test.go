package services_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// breaking is what the statements of the release before would fall over, which go on while the new release is rolled out:
// something goes, has another name or type, or must be given what they do not know of.
var breaking = regexp.MustCompile(`(?i)\bDROP\s+(TABLE|COLUMN|TYPE|FUNCTION|SCHEMA|VIEW)\b|\bRENAME\b|\bSET\s+NOT\s+NULL\b|\bSET\s+SCHEMA\b` +
	`|\bALTER\s+(COLUMN\s+)?\S+\s+(SET\s+DATA\s+)?TYPE\b|\bTRUNCATE\b|\bADD\s+(CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN)\b`)

var (
	comment = regexp.MustCompile(`--[^\n]*`)
	added   = regexp.MustCompile(`(?is)\bADD\s+COLUMN\b[^,;]*`)
)

// breaks is the first thing in a migration that a release before would not survive, or empty.
func breaks(migration string) string {
	up, _, _ := strings.Cut(migration, "---- create above / drop below ----")
	up = comment.ReplaceAllString(up, "")
	if found := breaking.FindString(up); found != "" {
		return found
	}
	for _, column := range added.FindAllString(up, -1) {
		if strings.Contains(strings.ToUpper(column), "NOT NULL") && !strings.Contains(strings.ToUpper(column), "DEFAULT") {
			return column
		}
	}
	return ""
}

// Every migration after the first leaves the release before working beside it.
func TestMigrationsLeaveTheReleaseBeforeWorking(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("*/migrations/*.sql")
	if err != nil || len(all) < 4 {
		t.Fatalf("%v: found %v", err, all)
	}
	for _, file := range all {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := breaks(string(content)); found != "" && !strings.HasPrefix(filepath.Base(file), "001_") {
			t.Errorf("%s: the release before does not survive %q", file, found)
		}
	}
}

func TestBreaks(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"ALTER TABLE a.b DROP COLUMN c":                               true,
		"alter table a.b rename column c to d":                        true,
		"ALTER TABLE a ALTER COLUMN b TYPE bigint":                    true,
		"ALTER TABLE a ALTER b SET DATA TYPE bigint":                  true,
		"ALTER TABLE a ALTER b SET NOT NULL":                          true,
		"ALTER TABLE a ADD COLUMN b int NOT NULL":                     true,
		"ALTER TABLE a ADD COLUMN b int,\n ADD COLUMN c int not null": true,
		"ALTER TABLE a ADD CONSTRAINT b CHECK (c > 0)":                true,
		"DROP TABLE a": true,
		"ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 0":            false,
		"ALTER TABLE a ADD COLUMN b int; -- later NOT NULL":            false,
		"CREATE INDEX a ON b (c)":                                      false,
		"SELECT 1;\n---- create above / drop below ----\nDROP TABLE a": false,
	} {
		if got := breaks(sql); (got != "") != want {
			t.Errorf("%q: %q", sql, got)
		}
	}
}
