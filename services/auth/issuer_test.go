package auth

import "testing"

func TestParseIssuer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://auth.example.com":       "https://auth.example.com",
		"https://auth.example.com/":      "https://auth.example.com",
		"http://127.0.0.1:8081":          "http://127.0.0.1:8081",
		"https://example.com/theeye":     "https://example.com/theeye",
		"":                               "",
		"auth.example.com":               "",
		"//auth.example.com":             "",
		"ftp://auth.example.com":         "",
		"https://":                       "",
		"https://:443":                   "",
		"https://user@auth.example.com":  "",
		"https://auth.example.com?a=b":   "",
		"https://auth.example.com?":      "",
		"https://auth.example.com/#keys": "",
		"https://auth.example.com:port":  "",
	} {
		got, err := ParseIssuer(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
