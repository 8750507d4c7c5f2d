package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table writes a Markdown table whose columns are also aligned when read as plain text.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String aligns the first column to the left, as text, and the others to the right, as figures.
func (t *table) String() string {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	writeRow(&b, t.head, width)
	for i, w := range width {
		rule := strings.Repeat("-", w+1)
		if i == 0 {
			b.WriteString("|" + rule + "-")
		} else {
			b.WriteString("|" + rule + ":")
		}
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		writeRow(&b, row, width)
	}
	return b.String()
}

func writeRow(b *strings.Builder, row []string, width []int) {
	for i, cell := range row {
		padding := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			b.WriteString("| " + cell + padding + " ")
		} else {
			b.WriteString("| " + padding + cell + " ")
		}
	}
	b.WriteString("|\n")
}

// thousands writes a figure without decimals, in groups of three digits.
func thousands(f float64) string {
	digits := strconv.FormatFloat(math.Round(f), 'f', 0, 64)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var groups []string
	for ; len(digits) > 3; digits = digits[:len(digits)-3] {
		groups = append(groups, digits[len(digits)-3:])
	}
	groups = append(groups, digits)
	slices.Reverse(groups)
	return sign + strings.Join(groups, ",")
}

// short writes a figure with about three digits.
func short(f float64) string {
	switch {
	case math.Abs(f) >= 100:
		return thousands(f)
	case math.Abs(f) >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

// fileName makes a name fit for a file.
func fileName(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }
