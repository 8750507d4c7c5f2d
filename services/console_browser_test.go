package services_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// browser is a headless Chromium with one tab, in which a test does what people do. Whatever the browser complains about
// fails the test: a script's error, what the Content-Security-Policy forbids, what could not be loaded.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string

	mutex      sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T, base string, extra ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testenv.Find(t, "chromium")), chromedp.Flag("no-proxy-server", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to make one as root
	}
	ctx, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(options, extra...)...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	if err := chromedp.Do(ctx); err != nil { // by the first one the browser starts, and with its context it would end
		t.Fatal(err)
	}
	b := &browser{t: t, ctx: ctx, base: base}
	b.do(chromedp.EmulateViewport(1280, 900))
	said := chromedp.Console(ctx)
	go func() {
		for m, err := range said {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException || m.Type == chromedp.ConsoleWarning {
				b.mutex.Lock()
				b.complaints = append(b.complaints, string(m.Type)+": "+m.Text+" "+m.URL)
				b.mutex.Unlock()
			}
		}
	}()
	return b
}

// do runs steps, each of which a loaded machine may take long for.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		where, _ := chromedp.Run(b.ctx, chromedp.Location())
		body, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText.slice(0, 1500) : ''"))
		b.t.Fatalf("at %s: %v\n%s\n%s", where, err, body, strings.Join(b.quiet(), "\n"))
	}
}

// open goes to a page.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// evaluate runs a script as the developer tools do, which the page's policy does not bind.
func evaluate[T any](b *browser, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("evaluate %.200s: %v", script, err)
	}
	return value
}

// until waits until an expression is true in the page.
func (b *browser) until(expression string) {
	b.t.Helper()
	eventually(b.t, func() error {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second) // a page that is on its way answers no question
		defer cancel()
		so, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && !so {
			body, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + ' ' + document.body.innerText.slice(0, 1500)"))
			err = fmt.Errorf("it is not so that %s, at %s", expression, body)
		}
		return err
	})
}

// path is where the browser is.
func (b *browser) path() string {
	b.t.Helper()
	return evaluate[string](b, "location.pathname + location.search")
}

// text is what the page reads.
func (b *browser) text() string {
	b.t.Helper()
	return evaluate[string](b, "document.body.innerText")
}

// submit presses a button of a form, and waits for the page that comes.
func (b *browser) submit(selector string) {
	b.t.Helper()
	evaluate[bool](b, "window.before = true")
	b.do(chromedp.Click(chromedp.CSS(selector)))
	b.arrived()
}

// arrived waits for another page than the one that was marked. A page that is on its way answers no question.
func (b *browser) arrived() {
	b.t.Helper()
	eventually(b.t, func() error {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		defer cancel()
		there, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("window.before !== true && document.readyState === 'complete'"))
		if err == nil && !there {
			err = fmt.Errorf("no other page has come")
		}
		return err
	})
}

// login is done by the form.
func (b *browser) login(token string) {
	b.t.Helper()
	b.open("/login")
	b.loginHere(token)
}

// loginHere is done by the form that the browser is at.
func (b *browser) loginHere(token string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=token]"), token))
	b.submit("form[action='/login'] button")
}

// quiet returns what the browser has complained about since it was asked last.
func (b *browser) quiet() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	said := b.complaints
	b.complaints = nil
	return said
}

// mustBeQuiet fails the test for what the browser has complained about.
func (b *browser) mustBeQuiet(where string) {
	b.t.Helper()
	for _, complaint := range b.quiet() {
		b.t.Errorf("%s: the browser complains: %s", where, complaint)
	}
}

// scheme makes the system light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// finding is one of axe-core's.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// axe looks for what keeps people with a keyboard or a screen reader out: nothing serious may be found.
func (b *browser) axe(where string) {
	b.t.Helper()
	source, err := os.ReadFile(filepath.Join(testenv.Modules(b.t, "testdata/console"), "axe-core", "axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	evaluate[bool](b, string(source)+"; true")
	found := evaluate[string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations))`)
	var findings []finding
	if err := json.Unmarshal([]byte(found), &findings); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range findings {
		if f.Impact == "serious" || f.Impact == "critical" {
			for _, n := range f.Nodes {
				b.t.Errorf("%s: %s (%s, %s): %.300s\n%s", where, f.Help, f.ID, f.Impact, n.HTML, n.FailureSummary)
			}
		}
	}
}

// shoot writes a picture of the page where people look for it (make screenshots).
func (b *browser) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("THEEYE_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
