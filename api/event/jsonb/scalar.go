package jsonb

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// plain holds the bytes that stand for themselves in a string: ASCII without controls, quote and backslash.
var plain = func() (set [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// str reads a string, quotes included.
func (s *Scanner) str() error {
	start, escaped := s.pos, false
	s.pos++
	for {
		pos := s.pos
		for pos < len(s.src) && plain[s.src[pos]] {
			pos++
		}
		s.pos = pos
		if pos == len(s.src) {
			return s.Fail("unexpected end of JSON in a string")
		}
		switch c := s.src[pos]; {
		case c == '"':
			s.pos++
			s.add(start, String, escaped)
			return nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return err
			}
		case c < 0x20:
			return s.Fail("control character " + quoteByte(c) + " must be escaped in a string")
		default:
			r, size := utf8.DecodeRune(s.src[pos:])
			if r == utf8.RuneError && size == 1 {
				s.failText(pos, FaultUTF8, "is not valid UTF-8")
			}
			s.pos += size
		}
	}
}

func (s *Scanner) escape() error {
	rest := s.src[s.pos+1:]
	if len(rest) > 0 && rest[0] != 'u' && unescaped[rest[0]] != 0 {
		s.pos += 2
		return nil
	}
	if len(rest) == 0 || rest[0] != 'u' || hex4(rest[1:]) < 0 {
		return s.Fail("invalid escape in a string")
	}
	r, start := hex4(rest[1:]), s.pos
	s.pos += 6
	switch {
	case r == 0:
		s.failText(start, FaultNUL, "has U+0000, which cannot be stored")
	case utf16.IsSurrogate(r):
		low := s.src[s.pos:]
		if len(low) >= 6 && low[0] == '\\' && low[1] == 'u' && utf16.DecodeRune(r, hex4(low[2:])) != utf8.RuneError {
			s.pos += 6
			return nil
		}
		s.failText(start, FaultSurrogate, "has a surrogate without its pair")
	}
	return nil
}

func (s *Scanner) digits() int {
	start := s.pos
	for s.pos < len(s.src) && '0' <= s.src[s.pos] && s.src[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

func (s *Scanner) at(c byte) bool { return s.pos < len(s.src) && s.src[s.pos] == c }

// number reads a number. Most are short and whole, and nothing else is to be seen of those.
func (s *Scanner) number() error {
	start, src, pos := s.pos, s.src, s.pos
	if src[pos] == '-' {
		pos++
	}
	first := pos
	for pos < len(src) && src[pos]-'0' <= 9 {
		pos++
	}
	s.pos = pos
	digits := pos - first
	switch {
	case digits == 0 || digits > 1 && src[first] == '0':
		return s.Fail("invalid number")
	case digits > MaxDigits || pos < len(src) && goesOn[src[pos]]:
		return s.fraction(start, digits)
	}
	s.add(start, Number, false)
	return nil
}

// goesOn holds what follows the digits of a number that is more than whole.
var goesOn = [256]bool{'.': true, 'e': true, 'E': true}

// fraction reads what may follow the whole digits of a number.
func (s *Scanner) fraction(start, digits int) error {
	if s.at('.') {
		s.pos++
		fraction := s.digits()
		if fraction == 0 {
			return s.Fail("invalid number: no digit after the decimal point")
		}
		digits += fraction
	}
	exponent := 0
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		begin := s.pos
		if s.digits() == 0 {
			return s.Fail("invalid number: no digit in the exponent")
		}
		for _, c := range s.src[begin:s.pos] {
			exponent = min(exponent*10+int(c-'0'), MaxExponent+1)
		}
	}
	s.add(start, Number, false)
	if digits > MaxDigits || exponent > MaxExponent {
		s.fail(start, FaultNumber, fmt.Sprintf("a number has more than %d digits or an exponent beyond ±%d", MaxDigits, MaxExponent))
	}
	return nil
}

func (s *Scanner) literal(word string, kind Kind) error {
	start := s.pos
	if rest := s.src[start:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return s.Fail("expected a JSON value, found a word that is not " + word)
	}
	s.pos += len(word)
	s.add(start, kind, false)
	return nil
}

func quoteByte(c byte) string {
	if c < utf8.RuneSelf {
		return strconv.QuoteRune(rune(c))
	}
	return fmt.Sprintf("byte 0x%02x", c)
}
